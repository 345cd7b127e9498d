import Contract
import Glibc
import Machine
import Platform
import Synchronization

/// The devices of one node under one lock, and the thread that keeps their time and performs what other nodes ask.
/// The machine's own processors use the lock as they access a device; the control thread only queues.
final class DeviceHost: @unchecked Sendable {
    /// An access of another node's processor.
    struct Request: Sendable {
        var from: NodeIndex
        var request: DeviceRequest
        var target: AddressMap.Target
    }

    private let lock = Mutex(())
    private let devices: DeviceSet
    private let parker = Parker()
    private let isStopping = Atomic<Bool>(false)
    private let sleepingUntil = Atomic<UInt64>(.max)
    /// Accesses of one other node that may wait here. A correct node's processors have one or 63 posted writes each under way; its timers' wires
    /// change some thousand times a second, and a link that comes back brings those of seconds at once.
    static let requestLimit = 1 << 16

    private struct Requests {
        var waiting: [Request] = []
        var ofNode: [NodeIndex: Int] = [:]
        var highWater = 0
    }

    private let requests = Mutex(Requests())
    private let route: @Sendable (InterruptMessage) -> Void
    private let drive: @Sendable (DeviceSet.WireChange) -> Void
    private let answer: @Sendable (NodeIndex, DeviceReply) -> Void
    private let onPower: @Sendable (DeviceSignals.PowerRequest) -> Void
    private let backEnds = Mutex<[Int: @Sendable () -> Void]>([:])
    private var thread: SystemThread?

    /// - Parameters:
    ///   - route: takes an interrupt message to its processors.
    ///   - drive: takes a wire's level to another node's I/O APIC. Called under the devices' lock, so that levels keep their
    ///     order; must not wait.
    ///   - answer: takes a reply to another node.
    init(
        map: AddressMap, node: NodeIndex, layout: MachineLayout, route: @escaping @Sendable (InterruptMessage) -> Void,
        drive: @escaping @Sendable (DeviceSet.WireChange) -> Void, answer: @escaping @Sendable (NodeIndex, DeviceReply) -> Void,
        onPower: @escaping @Sendable (DeviceSignals.PowerRequest) -> Void
    ) {
        devices = DeviceSet(map: map, node: node, layout: layout, wallClock: Int64(wallClockNow()), now: monotonicNow())
        self.route = route
        self.drive = drive
        self.answer = answer
        self.onPower = onPower
    }

    /// Names what is called when a device has work for its back end. It must not wait.
    func setBackEnd(ofDevice index: Int, _ wake: @escaping @Sendable () -> Void) { backEnds.withLock { $0[index] = wake } }

    func start() { thread = SystemThread("vsmp-devices") { [self] in serve() } }

    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        parker.unpark()
        thread?.join()
        thread = nil
    }

    // MARK: Accesses

    func read(_ target: AddressMap.Target, size: Int) -> UInt64 {
        perform { devices, now in devices.read(target, size: size, now: now) }
    }

    func write(_ target: AddressMap.Target, size: Int, _ value: UInt64) {
        perform { devices, now in devices.write(target, size: size, value: value, now: now) }
    }

    /// Does something to a device that no register access does: bytes typed, a button pressed.
    func use<Result>(_ body: (DeviceSet) -> Result) -> Result {
        perform { devices, now in devices.use(now: now, body) }
    }

    /// Leaves another node's access to the devices' own thread, in the order of arrival.
    func queue(_ request: Request) throws(PeerViolation) {
        let hasRoom = requests.withLock { requests in
            guard requests.ofNode[request.from, default: 0] < Self.requestLimit else { return false }
            requests.ofNode[request.from, default: 0] += 1
            requests.waiting.append(request)
            requests.highWater = max(requests.highWater, requests.waiting.count)
            return true
        }
        guard hasRoom else { throw PeerViolation("\(Self.requestLimit) of its device accesses wait, more than a node ever sends") }
        parker.unpark()
    }

    /// Most accesses of other nodes that have ever waited here.
    var queueHighWater: Int { requests.withLock { $0.highWater } }

    /// Runs one access under the lock, then does what it caused.
    @discardableResult
    private func perform<Result>(_ body: (DeviceSet, UInt64) -> Result) -> Result {
        let (result, messages, deadline, awake, power) = lock.withLock { _ in
            let result = body(devices, monotonicNow())
            for change in devices.takeWires() { drive(change) }
            return (result, devices.takeInterrupts(), devices.nextDeadline, devices.takeAwake(), devices.powerRequest)
        }
        for message in messages { route(message) }
        for device in awake { backEnds.withLock { $0[device] }?() }
        if let deadline, deadline < sleepingUntil.load(ordering: .sequentiallyConsistent) { parker.unpark() }
        if power != .none { onPower(power) }
        return result
    }

    private func serve() {
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            for request in requests.withLock({ requests in
                defer {
                    requests.waiting.removeAll(keepingCapacity: true)
                    requests.ofNode.removeAll(keepingCapacity: true)
                }
                return requests.waiting
            }) { perform(request) }
            perform { devices, now in devices.advance(to: now) }
            let next = lock.withLock { _ in devices.nextDeadline } ?? .max
            sleepingUntil.store(next, ordering: .sequentiallyConsistent)
            parker.park(timeout: next == .max ? nil : next - min(next, monotonicNow()))
            sleepingUntil.store(0, ordering: .sequentiallyConsistent)
        }
    }

    private func perform(_ request: Request) {
        let size = request.request.access.size
        var value: UInt64 = 0
        if let written = request.request.value { write(request.target, size: size, written) } else { value = read(request.target, size: size) }
        if let sequence = request.request.sequence { answer(request.from, DeviceReply(sequence: sequence, value: value)) }
    }
}
