import Contract
import Machine
import Platform
import Synchronization

/// Carries device accesses of this node to other nodes, and the answers to who waits for them.
final class DeviceForwarder: Sendable {
    private struct Waiting {
        /// Who is to answer.
        let node: NodeIndex
        let parker: Parker
        var answer: UInt64?
    }

    private let isDead: @Sendable () -> Bool
    private let send: @Sendable (NodeIndex, DeviceRequest) -> Bool
    private let waiting = Mutex<[UInt32: Waiting]>([:])
    private let next = Atomic<UInt32>(1)
    private let forwarded = Atomic<UInt64>(0)

    /// - Parameter send: queues a request for another node; false while there is no room.
    init(isDead: @escaping @Sendable () -> Bool, send: @escaping @Sendable (NodeIndex, DeviceRequest) -> Bool) {
        self.isDead = isDead
        self.send = send
    }

    /// Accesses that left for other nodes.
    var count: UInt64 { forwarded.load(ordering: .relaxed) }

    /// Sends a write and is done with it: waits for room to send at most.
    func post(_ access: DeviceAccess, _ value: UInt64, to node: NodeIndex) {
        forwarded.wrappingAdd(1, ordering: .relaxed)
        sendWhenThereIsRoom(DeviceRequest(sequence: nil, access: access, value: value), to: node)
    }

    /// Blocks the calling thread until the other node has answered; all ones when the machine dies first.
    /// - Parameter value: nil for a read.
    func exchange(_ access: DeviceAccess, write value: UInt64?, with node: NodeIndex) -> UInt64 {
        forwarded.wrappingAdd(1, ordering: .relaxed)
        var sequence = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if sequence == 0 { sequence = next.wrappingAdd(1, ordering: .relaxed).oldValue }
        let parker = Parker()
        waiting.withLock { $0[sequence] = Waiting(node: node, parker: parker) }
        defer { waiting.withLock { _ = $0.removeValue(forKey: sequence) } }
        sendWhenThereIsRoom(DeviceRequest(sequence: sequence, access: access, value: value), to: node)
        while !isDead() {
            if let answer = waiting.withLock({ $0[sequence]?.answer }) { return answer }
            parker.park(timeout: 100_000_000)
        }
        return .max
    }

    private func sendWhenThereIsRoom(_ request: DeviceRequest, to node: NodeIndex) {
        while !send(node, request), !isDead() { Parker().park(timeout: 1_000_000) }
    }

    /// Another node has answered. Any thread. After the end of the machine nobody waits, and any answer is late.
    func answered(_ reply: DeviceReply, by node: NodeIndex) throws(PeerViolation) {
        let parker = waiting.withLock { waiting -> Parker? in
            guard let asked = waiting[reply.sequence], asked.node == node, asked.answer == nil else { return nil }
            waiting[reply.sequence]?.answer = reply.value
            return asked.parker
        }
        guard parker != nil || isDead() else { throw PeerViolation("it answers a device access that nobody asked it for") }
        parker?.unpark()
    }
}
