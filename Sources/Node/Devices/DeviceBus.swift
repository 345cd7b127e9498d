import Machine
import Platform
import Synchronization

/// Takes each device access of this node's processors through the machine's address map: to this node's devices, or to
/// those of another node and back.
///
/// A read waits for its answer. So does a write, but one to a posted register, which is sent and done with. A processor's
/// accesses to one node arrive there in their order (one connection, one queue), so that a read sees the writes before it.
final class DeviceBus: Sendable {
    private struct Waiting {
        let parker: Parker
        var answer: UInt64?
    }

    /// Of so many posted writes one waits for its answer, and with it for all before it: what can be under way is bounded.
    static let answeredEvery: UInt32 = 64

    private let map: AddressMap
    private let node: Int
    private let host: DeviceHost
    private let isDead: @Sendable () -> Bool
    private let send: @Sendable (UInt8, DeviceRequest) -> Bool
    private let waiting = Mutex<[UInt32: Waiting]>([:])
    private let next = Atomic<UInt32>(1)
    private let posted = Atomic<UInt32>(0)
    private let forwarded = Atomic<UInt64>(0)
    private let unclaimed = Atomic<UInt64>(0)

    /// - Parameters:
    ///   - send: queues a request for another node; false while there is no room.
    init(
        map: AddressMap, node: Int, host: DeviceHost, isDead: @escaping @Sendable () -> Bool,
        send: @escaping @Sendable (UInt8, DeviceRequest) -> Bool
    ) {
        self.map = map
        self.node = node
        self.host = host
        self.isDead = isDead
        self.send = send
    }

    /// Accesses that left for other nodes.
    var forwardedCount: UInt64 { forwarded.load(ordering: .relaxed) }
    /// Accesses to addresses of no device.
    var unclaimedCount: UInt64 { unclaimed.load(ordering: .relaxed) }

    // MARK: This node's processors

    /// All ones where nothing is, and when the machine dies first.
    func read(_ access: DeviceAccess) -> UInt64 {
        map.read(access) { access, target in
            guard let target else { return nothingThere() }
            if target.node == node { return host.read(target, size: access.size) }
            return exchange(access, write: nil, with: target.node)
        }
    }

    func write(_ access: DeviceAccess, _ value: UInt64) {
        map.write(access, value) { access, target, value in
            guard let target else {
                _ = nothingThere()
                return
            }
            if target.node == node {
                host.write(target, size: access.size, value)
            } else if target.isPosted, posted.wrappingAdd(1, ordering: .relaxed).newValue % Self.answeredEvery != 0 {
                post(access, value, to: target.node)
            } else {
                _ = exchange(access, write: value, with: target.node)
            }
        }
    }

    /// Takes a wire's level to the node of the I/O APIC. Levels of one node arrive in their order, and none waits for an answer.
    func drive(_ change: DeviceSet.WireChange) {
        if let target = map.target(of: change.access) { post(change.access, change.isHigh ? 1 : 0, to: target.node) }
    }

    private func nothingThere() -> UInt64 {
        unclaimed.wrappingAdd(1, ordering: .relaxed)
        return .max
    }

    /// Never waits for the other node's device, only for room to send.
    private func post(_ access: DeviceAccess, _ value: UInt64, to node: Int) {
        forwarded.wrappingAdd(1, ordering: .relaxed)
        sendWhenThereIsRoom(DeviceRequest(sequence: nil, access: access, value: value), to: node)
    }

    private func exchange(_ access: DeviceAccess, write value: UInt64?, with node: Int) -> UInt64 {
        forwarded.wrappingAdd(1, ordering: .relaxed)
        var sequence = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if sequence == 0 { sequence = next.wrappingAdd(1, ordering: .relaxed).oldValue }
        let parker = Parker()
        waiting.withLock { $0[sequence] = Waiting(parker: parker) }
        defer { waiting.withLock { _ = $0.removeValue(forKey: sequence) } }
        sendWhenThereIsRoom(DeviceRequest(sequence: sequence, access: access, value: value), to: node)
        while !isDead() {
            if let answer = waiting.withLock({ $0[sequence]?.answer }) { return answer }
            parker.park(timeout: 100_000_000)
        }
        return .max
    }

    private func sendWhenThereIsRoom(_ request: DeviceRequest, to node: Int) {
        let pause = Parker()
        while !send(UInt8(node), request), !isDead() { pause.park(timeout: 1_000_000) }
    }

    // MARK: The control thread

    /// Another node's processor accesses a device here. Queues it: the devices' own thread performs and answers it.
    func accept(_ request: DeviceRequest, from node: UInt8, answer: (DeviceReply) -> Void) {
        guard let target = map.target(of: request.access), target.node == self.node else {
            if let sequence = request.sequence { answer(DeviceReply(sequence: sequence, value: .max)) }
            return
        }
        host.queue(DeviceHost.Request(from: node, request: request, target: target))
    }

    /// Another node has answered.
    func answered(_ reply: DeviceReply) {
        let parker = waiting.withLock { waiting in
            waiting[reply.sequence]?.answer = reply.value
            return waiting[reply.sequence]?.parker
        }
        parker?.unpark()
    }
}
