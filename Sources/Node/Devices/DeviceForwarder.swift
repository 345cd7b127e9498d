import Bytes
import Platform
import KVM
import Synchronization

/// Sends device accesses of this node's processors to node 0 and waits for the answers.
final class DeviceForwarder: Sendable {
    private struct Waiting {
        let parker: Parker
        var answer: UInt64?
    }

    private let waiting = Mutex<[UInt32: Waiting]>([:])
    private let next = Atomic<UInt32>(1)
    private let send: @Sendable ([UInt8]) -> Bool

    init(send: @escaping @Sendable ([UInt8]) -> Bool) { self.send = send }

    /// Blocks the calling processor until node 0 has answered; all ones when the machine dies first.
    func perform(_ access: DeviceAccess, write value: UInt64?, isDead: () -> Bool) -> UInt64 {
        let sequence = next.wrappingAdd(1, ordering: .relaxed).oldValue
        let parker = Parker()
        waiting.withLock { $0[sequence] = Waiting(parker: parker) }
        defer { waiting.withLock { _ = $0.removeValue(forKey: sequence) } }
        guard send(DeviceRequest(sequence: sequence, access: access, value: value).encoded()) else { return .max }
        while !isDead() {
            if let answer = waiting.withLock({ $0[sequence]?.answer }) { return answer }
            parker.park(timeout: 100_000_000)
        }
        return .max
    }

    func answered(_ sequence: UInt32, _ value: UInt64) {
        let parker = waiting.withLock { waiting in
            waiting[sequence]?.answer = value
            return waiting[sequence]?.parker
        }
        parker?.unpark()
    }
}

/// Body of a forwarded access: sequence (4), space (1), size (1), is write (1), zero (1), address (8), value (8).
struct DeviceRequest: Equatable {
    var sequence: UInt32
    var access: DeviceAccess
    /// Nil for a read.
    var value: UInt64?

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.put(sequence)
        writer.put(access.space.rawValue)
        writer.put(UInt8(access.size))
        writer.put(UInt8(value == nil ? 0 : 1))
        writer.put(UInt8(0))
        writer.put(access.address)
        writer.put(value ?? 0)
        return writer.bytes
    }

    init(sequence: UInt32, access: DeviceAccess, value: UInt64?) {
        self.sequence = sequence
        self.access = access
        self.value = value
    }

    init(decoding body: [UInt8]) throws(ByteError) {
        var reader = ByteReader(body)
        sequence = try reader.take()
        guard let space = DeviceAccess.Space(rawValue: try reader.take()) else { throw .value("device space") }
        let size = try reader.take(UInt8.self)
        let isWrite = try reader.take(UInt8.self)
        guard [1, 2, 4, 8].contains(size), isWrite < 2, try reader.take(UInt8.self) == 0 else { throw .value("device access") }
        access = DeviceAccess(space: space, address: try reader.take(), size: Int(size))
        let written = try reader.take(UInt64.self)
        value = isWrite == 1 ? written : nil
        try reader.end()
    }
}
