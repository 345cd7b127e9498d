package import Contract
package import Machine
import Synchronization

/// Takes interrupt messages from any processor or device of this node to the processors they are for: into the mailbox
/// of a local one, over the control connection to another node's.
package final class InterruptRouter: Sendable {
    package struct LocalTarget: Sendable {
        package let mailbox: InterruptMailbox
        package let signal: ProcessorSignal

        package init(mailbox: InterruptMailbox, signal: ProcessorSignal) {
            self.mailbox = mailbox
            self.signal = signal
        }

        package init(id: APICID) { self.init(mailbox: InterruptMailbox(id: id), signal: ProcessorSignal()) }
    }

    private let resolver: Mutex<DestinationResolver>
    private let nodeOfProcessor: [APICID: NodeIndex]
    private let local: [APICID: LocalTarget]
    private let node: NodeIndex
    private let forward: @Sendable (NodeIndex, InterruptMessage) -> Void
    private let forwarded = Atomic<UInt64>(0)

    package init(
        layout: MachineLayout, node: NodeIndex, local: [LocalTarget], forward: @escaping @Sendable (NodeIndex, InterruptMessage) -> Void
    ) {
        resolver = Mutex(DestinationResolver(processors: layout.processors.map(\.apicID)))
        nodeOfProcessor = Dictionary(uniqueKeysWithValues: layout.processors.map { ($0.apicID, $0.node) })
        self.local = Dictionary(uniqueKeysWithValues: local.map { ($0.mailbox.id, $0) })
        self.node = node
        self.forward = forward
    }

    /// Interrupt messages that left for other nodes.
    package var forwardedCount: UInt64 { forwarded.load(ordering: .relaxed) }

    package func route(_ message: InterruptMessage) {
        let targets = resolver.withLock { $0.resolve(message) }
        var remote: UInt64 = 0
        for id in targets {
            if let target = local[id] {
                deliver(message, to: target)
            } else if let other = nodeOfProcessor[id] {
                if targets.count == 1 {
                    send(directed(message, to: id), to: other)
                } else if remote & (1 << UInt64(other.rawValue)) == 0 {
                    remote |= 1 << UInt64(other.rawValue)
                    send(message, to: other)
                }
            }
        }
    }

    /// A message that another node routed here: only this node's processors are looked at.
    package func accept(_ message: InterruptMessage, from node: NodeIndex) throws(PeerViolation) {
        if let source = message.source, nodeOfProcessor[source] != node {
            throw PeerViolation("it sends an interrupt of processor \(source), which is not its own")
        }
        for id in resolver.withLock({ $0.resolve(message) }) {
            if let target = local[id] { deliver(message, to: target) }
        }
    }

    /// What another node says of its processor.
    package func update(_ id: APICID, _ destination: LogicalDestination, from node: NodeIndex) throws(PeerViolation) {
        guard nodeOfProcessor[id] == node else { throw PeerViolation("it tells the logical destination of processor \(id), which is not its own") }
        update(id, destination)
    }

    /// What a processor of this node has set.
    package func update(_ id: APICID, _ destination: LogicalDestination) {
        resolver.withLock { $0.update(id, destination) }
    }

    private func deliver(_ message: InterruptMessage, to target: LocalTarget) {
        if target.mailbox.deliver(message) { target.signal.kick() }
    }

    private func send(_ message: InterruptMessage, to other: NodeIndex) {
        forwarded.wrappingAdd(1, ordering: .relaxed)
        forward(other, message)
    }

    /// Names the one processor, so that the receiver picks the same one (lowest priority) and needs no logical ids.
    private func directed(_ message: InterruptMessage, to id: APICID) -> InterruptMessage {
        var directed = message
        directed.destination = id.rawValue
        directed.destinationMode = .physical
        directed.shorthand = .none
        directed.isNarrow = false
        if directed.deliveryMode == .lowestPriority { directed.deliveryMode = .fixed }
        return directed
    }
}
