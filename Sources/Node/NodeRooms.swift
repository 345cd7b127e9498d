import BoardSupport
import Contract
import Platform
import Interconnect
import Synchronization

/// The rooms of a node that has joined, and the door between them and the other nodes: each message goes straight to the room that it is for.
final class NodeRooms: Sendable {
    let control: ControlPlane
    let links: LinkRoom
    let watch: WatchRoom
    let session = SessionSlot()
    let membership: MembershipDriver
    let clock: ClockRoom
    let statistics: StatisticsRoom
    let policies: PolicyRoom
    let updates: UpdateRoom

    /// - Parameters:
    ///   - links: control connections by node; nil for this node.
    ///   - keeper: brings interrupted connections back; without one an interruption is a loss.
    ///   - watch: has met every peer.
    init(_ setup: NodeRuntime.Setup, links connections: [ControlLink?], keeper: MeshKeeper?, watch: WatchRoom, say: @escaping @Sendable (String) -> Void) throws(SystemError) {
        let (node, count) = (setup.configuration.node, setup.configuration.nodes)
        let outage = setup.configuration.outageSeconds ?? Limits.standardOutageSeconds
        control = try ControlPlane(links: connections, interruptionLimit: Interruptions.limit(outageSeconds: outage))
        links = LinkRoom(keeper: keeper, control: control, session: session, say: say)
        self.watch = watch
        membership = MembershipDriver(Membership(node: node, count: count, devices: setup.devices, outageSeconds: outage, earlyResets: setup.earlyResets),
            control: control, session: session, say: say)
        clock = ClockRoom(node: node, count: count, outageSeconds: outage, control: control, session: session)
        statistics = StatisticsRoom(count: count, control: control, session: session)
        policies = PolicyRoom(setup.policies, control: control, membership: membership, session: session)
        updates = UpdateRoom(node: node, count: count, stick: setup.stick, control: control, say: say)
    }

    /// Opens the door: from now on messages, losses and beats come in on the control plane's and the watch's threads, where nothing waits.
    func start() {
        statistics.start()
        links.start()
        var handlers = ControlPlane.Handlers(message: { [self] in take($0, from: $1, at: $2) }, loss: { [self] in lost($0, $1) })
        if links.isKept { handlers.interruption = { [links] in links.interrupted($0, .control, $1) } }
        control.start(handlers)
        watch.judge(
            WatchRoom.Handlers(
                loss: { [membership, updates] loss in
                    membership.feed(.unheard(loss))
                    for peer in loss.nodes { updates.lost(peer) }
                },
                beat: { [membership, clock] in
                    membership.feed(.tick)
                    clock.beat()
                }))
    }

    private func lost(_ peer: NodeIndex, _ why: PeerLoss) {
        membership.feed(why.input(peer))
        updates.lost(peer)
    }

    func stop() {
        links.stop()
        watch.stop()
        control.stop()
        updates.stop()
        statistics.stop()
        session.current = nil
    }

    /// A message that this peer may not send, or that nobody asked it for, is its loss.
    private func take(_ message: ControlMessage, from node: NodeIndex, at timestamp: UInt64) {
        do throws(PeerViolation) { try deliver(message, from: node, at: timestamp) } catch { lost(node, .node(error.description)) }
    }

    private func deliver(_ message: ControlMessage, from node: NodeIndex, at timestamp: UInt64) throws(PeerViolation) {
        switch message {
        case .membership(let message): membership.feed(.message(message, from: node))
        case .timePing(let sent, let wish): try clock.answer(sent, wish: wish, from: node, received: timestamp)
        case .timePong(let sent, let received, let answered, let lead):
            try clock.take(sent: sent, received: received, answered: answered, lead, at: timestamp, from: node)
        case .statRequest: statistics.asked(by: node)
        case .statReply(let report): try statistics.take(report, from: node)
        case .policies(let choice): try policies.take(choice)
        case .update(let message): updates.take(message, from: node)
        case .interrupt(let message): try session.current?.take(message, from: node)
        case .logicalDestination(let id, let destination): try session.current?.take(destination, of: id, from: node)
        case .deviceRequest(let request): try session.current?.take(request, from: node)
        case .deviceReply(let reply): try session.current?.take(reply, from: node)
        case .timestampMove(let ticks): try session.current?.takeTimestampMove(ticks, from: node)
        }
    }
}

/// What a peer said and may not say, in words that begin with it: the peer is lost.
package struct PeerViolation: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
