import Contract
import Testing

@testable import Machine

/// 2026-11-22 14:44:24 UTC in nanoseconds.
let testWallClock: Int64 = 1_795_358_664 * 1_000_000_000

func testLayout(_ nodes: [(sockets: Int, cores: Int, threads: Int, mib: Int)] = [(1, 2, 1, 256)]) -> MachineLayout {
    do {
        return try MachineLayout(
            nodes: nodes.map {
                .init(sockets: $0.sockets, coresPerSocket: $0.cores, threadsPerCore: $0.threads, sliceMiB: $0.mib)
            })
    } catch {
        fatalError("\(error)")
    }
}

/// An address of the processor's I/O space.
struct Port: Equatable, ExpressibleByIntegerLiteral {
    let rawValue: UInt16
    init(_ rawValue: UInt16) { self.rawValue = rawValue }
    init(integerLiteral value: UInt16) { rawValue = value }
}

extension MachineLayout {
    /// The home of the page at `address`, nil outside RAM.
    func node(owning address: GuestAddress) -> NodeIndex? { memory.first { $0.start <= address && address < $0.end }?.node }
}

extension ACPITables {
    subscript(signature signature: String) -> Table? { tables.first { $0.signature == signature } }
}

/// The devices of a machine of one node, behind its address map as a processor sees them.
final class TestChipset {
    let map: AddressMap
    let devices: DeviceSet
    private(set) var unclaimed = 0

    init(wallClock: Int64 = testWallClock) {
        let layout = testLayout()
        do { map = try AddressMap(devices: PlacedDevice.chipset(), nodes: 1) } catch { fatalError("\(error)") }
        devices = DeviceSet(map: map, node: 0, layout: layout, wallClock: wallClock, now: 0)
    }

    func read(_ access: DeviceAccess, now: UInt64) -> UInt64 {
        map.read(access) { access, target in
            if let target { return devices.read(target, size: access.size, now: now) }
            unclaimed += 1
            return .max
        }
    }

    func write(_ access: DeviceAccess, _ value: UInt64, now: UInt64) {
        map.write(access, value) { access, target, value in
            if let target { devices.write(target, size: access.size, value: value, now: now) } else { unclaimed += 1 }
        }
    }

    func portRead(_ port: Port, size: Int, now: UInt64) -> UInt32 {
        UInt32(read(DeviceAccess(space: .port, address: UInt64(port.rawValue), size: size), now: now))
    }

    func portWrite(_ port: Port, size: Int, value: UInt32, now: UInt64) {
        write(DeviceAccess(space: .port, address: UInt64(port.rawValue), size: size), UInt64(value), now: now)
    }

    func mmioRead(_ address: GuestAddress, size: Int, now: UInt64) -> UInt64 {
        read(DeviceAccess(space: .memory, address: address.rawValue, size: size), now: now)
    }

    func mmioWrite(_ address: GuestAddress, size: Int, value: UInt64, now: UInt64) {
        write(DeviceAccess(space: .memory, address: address.rawValue, size: size), value, now: now)
    }

    var powerRequest: DeviceSignals.PowerRequest { devices.powerRequest }
    var nextDeadline: UInt64? { devices.nextDeadline }
    func advance(to now: UInt64) { devices.advance(to: now) }
    func takeInterrupts() -> [InterruptMessage] { devices.takeInterrupts() }
    func endOfInterrupt(_ vector: Vector) { write(IOAPIC.endOfInterrupt, UInt64(vector.rawValue), now: 0) }

    private var serial: SerialPort {
        guard let port = devices.first(SerialPort.self) else { fatalError("no serial port") }
        return port.device
    }

    @discardableResult
    func consoleInput(_ bytes: some Collection<UInt8>) -> Int { devices.use(now: 0) { _ in serial.receive(bytes) } }
    func takeConsoleOutput() -> [UInt8] { devices.use(now: 0) { _ in serial.takeOutput() } }
    var droppedConsoleOutput: Int { serial.droppedOutput }
    func pressPowerButton() { write(FrontPanel.power, 1, now: 0) }
}

func testChipset(wallClock: Int64 = testWallClock) -> TestChipset { TestChipset(wallClock: wallClock) }

let millisecond: UInt64 = 1_000_000
let second: UInt64 = 1_000_000_000
