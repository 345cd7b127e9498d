package import Contract
package import Platform
package import Interconnect
import Synchronization

/// Everything between nodes that is neither coherence nor heartbeat: one thread receives, any thread sends. It waits for nothing but the network.
// SAFETY: unchecked because `poller` belongs to the receiving thread once it runs, and `thread` to who starts and stops the plane.
package final class ControlPlane: @unchecked Sendable {
    /// Called on the plane's threads; none may block.
    package struct Handlers: Sendable {
        /// A message, the node that sent it, and the time-stamp counter when it was taken from the socket.
        package var message: @Sendable (ControlMessage, NodeIndex, UInt64) -> Void
        /// A peer is lost, and why; once a peer.
        package var loss: @Sendable (NodeIndex, PeerLoss) -> Void
        /// A peer's connection is interrupted, and why: ``ControlPlane/adopt(_:for:)`` is to follow. Nil: that is a loss.
        package var interruption: (@Sendable (NodeIndex, ConnectionLoss) -> Void)?

        package init(message: @escaping @Sendable (ControlMessage, NodeIndex, UInt64) -> Void, loss: @escaping @Sendable (NodeIndex, PeerLoss) -> Void) {
            self.message = message
            self.loss = loss
        }
    }

    private let links: [ControlLink?]
    private var poller: Poller
    private let wake: WakeEvent
    /// Peers that are listened to no longer.
    private let gone = Mutex(NodeSet())
    private let receiving = ThreadProgress()
    private let isStopping = Atomic<Bool>(false)
    /// Streams that connections go on with, until the receiving thread takes them.
    private let renewals = Mutex<[(peer: NodeIndex, next: EstablishedStream)]>([])
    /// Of the receiving thread: connections that wait for one.
    private var interruptions: Interruptions
    private let interruptionLimit: Atomic<UInt64>
    private var nextTick: UInt64 = 0
    /// Of the receiving thread: peers of which more messages are here than their share of a round.
    private var unfinished = NodeSet()
    /// Peers whose send ring was full.
    private let stalled = Atomic<UInt64>(0)
    private var thread: SystemThread?

    /// - Parameters:
    ///   - links: by node index; nil for this node.
    ///   - interruptionLimit: nanoseconds after which a connection that is interrupted is lost.
    package init(links: [ControlLink?], interruptionLimit: UInt64 = 0) throws(SystemError) {
        self.links = links
        self.interruptionLimit = Atomic(interruptionLimit)
        interruptions = Interruptions(nodes: links.count)
        wake = try WakeEvent()
        poller = try Poller()
        try poller.add(wake.rawDescriptor, as: UInt32(links.count))
        for link in links {
            if let link { try poller.add(link.fileDescriptor, as: UInt32(link.peer.rawValue)) }
        }
    }

    package func start(_ handlers: Handlers) {
        thread = SystemThread("vsmp-control") { [self] in receive(handlers) }
    }

    package func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake.raise()
        thread?.join()
        thread = nil
    }

    /// Nanoseconds: what the machine's plan says counts.
    func adopt(interruptionLimit limit: UInt64) { interruptionLimit.store(limit, ordering: .relaxed) }

    /// Rounds of the thread, which is woken, so that it comes round also where nobody sends; none once it ends.
    var progress: [String: UInt64] {
        if isStopping.load(ordering: .sequentiallyConsistent) { return [:] }
        wake.raise()
        return ["vsmp-control": rounds]
    }

    /// How often the receiving thread has come round.
    var rounds: UInt64 { receiving.count }

    // MARK: Sending

    /// - Returns: false when the peer is not there or has not read for long; it is lost then.
    @discardableResult
    package func send(_ message: ControlMessage, to node: NodeIndex) -> Bool { links[node: node].map { send(message, message.frame, over: $0) } ?? false }

    /// The same for what the caller sends again.
    package func offer(_ message: ControlMessage, to node: NodeIndex) -> Bool { links[node: node]?.offer(message) ?? false }

    package func broadcast(_ message: ControlMessage) {
        let frame = message.frame
        for link in links { if let link { send(message, frame, over: link) } }
    }

    /// A frame that finds no room is missing for ever: an interrupt, an answer. The receiving thread says that this peer is lost.
    @discardableResult
    private func send(_ message: ControlMessage, _ frame: ControlMessage.Frame, over link: ControlLink) -> Bool {
        let isQueued = link.send(message, frame)
        if !isQueued {
            stalled.bitwiseOr(1 << UInt64(link.peer.rawValue), ordering: .sequentiallyConsistent)
            wake.raise()
        }
        return isQueued
    }

    static let stalledWords = "it has read nothing for long, and no more fits into the connection"

    /// What has passed on the control connections, by node; nil for this one.
    package var counters: [ConnectionCounters?] { links.map { $0?.counters } }

    /// Frames and bytes that have passed on all control connections, both ways.
    package var bytes: UInt64 {
        links.reduce(0) { sum, link in sum + (link.map { $0.counters.bytesSent + $0.counters.bytesReceived } ?? 0) }
    }

    // MARK: Receiving

    private func receive(_ handlers: Handlers) {
        becomeRealtime(priority: 19)
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            guard let count = try? poller.wait(timeout: unfinished.isEmpty ? Self.tickInterval : 0) else { return }
            receiving.step()
            // Whose share was used up has its next one beside the others; what it sent may all have been read from its socket.
            let earlier = unfinished
            unfinished = NodeSet()
            for index in 0..<count {
                let number = poller.ready(index)
                guard number < links.count, let link = links[Int(number)] else {
                    wake.clear()
                    takeRenewals(handlers)
                    loseStalled(handlers)
                    continue
                }
                if !earlier.contains(link.peer) { attend(link, handlers) }
            }
            for peer in earlier.members { if let link = links[node: peer] { attend(link, isUnfinished: true, handlers) } }
            tick(handlers)
        }
    }

    private func attend(_ link: ControlLink, isUnfinished: Bool = false, _ handlers: Handlers) {
        guard !gone.withLock({ $0.contains(link.peer) }) else { return }
        if let why = take(from: link, isUnfinished: isUnfinished, handlers) { end(link, why, handlers) }
    }

    private func end(_ link: ControlLink, _ why: LinkEnd, _ handlers: Handlers) {
        switch why {
        case .lost(let why): lose(link, .node(why), handlers)
        case .interrupted(let why):
            guard let interruption = handlers.interruption else { return lose(link, .node("\(why)"), handlers) }
            interruptions.begin(link.peer, why, now: monotonicNow())
            interruption(link.peer, why)
        }
    }

    private func lose(_ link: ControlLink, _ why: PeerLoss, _ handlers: Handlers) {
        interruptions.end(link.peer)
        if link.fileDescriptor >= 0 { try? poller.remove(link.fileDescriptor) }
        let isNews = gone.withLock { gone in
            defer { gone.insert(link.peer) }
            return !gone.contains(link.peer)
        }
        if isNews { handlers.loss(link.peer, why) }
    }

    private func loseStalled(_ handlers: Handlers) {
        for peer in NodeSet(bits: stalled.exchange(0, ordering: .sequentiallyConsistent)).members {
            if let link = links[node: peer] { lose(link, .node(Self.stalledWords), handlers) }
        }
    }

    // MARK: Streams

    /// The connection with `peer` goes on over `next`, from where both ends are. Any thread.
    func adopt(_ next: EstablishedStream, for peer: NodeIndex) {
        renewals.withLock { $0.append((peer, next)) }
        wake.raise()
    }

    private func takeRenewals(_ handlers: Handlers) {
        let taken = renewals.withLock { renewals in
            defer { renewals = [] }
            return renewals
        }
        for (peer, next) in taken {
            guard let link = links[node: peer], !gone.withLock({ $0.contains(peer) }) else { continue }
            interruptions.end(peer)
            link.adopt(next)
            if link.fileDescriptor >= 0 { try? poller.add(link.fileDescriptor, as: UInt32(peer.rawValue)) } else { attend(link, handlers) }
        }
    }

    /// Nanoseconds between two looks at connections on which nothing comes in.
    private static let tickInterval: UInt64 = 100_000_000

    private func tick(_ handlers: Handlers) {
        let now = monotonicNow()
        guard now >= nextTick else { return }
        nextTick = now + Self.tickInterval
        for link in links {
            guard let link, !gone.withLock({ $0.contains(link.peer) }), let why = link.tick(now: now) else { continue }
            end(link, .interrupted(why), handlers)
        }
        let limit = interruptionLimit.load(ordering: .relaxed)
        for (peer, why) in interruptions.overdue(now: now, limit: limit) {
            if let link = links[node: peer] { lose(link, .link(ConsoleWords.notResumed(.control, after: limit, why)), handlers) }
        }
    }

    private enum LinkEnd {
        case interrupted(ConnectionLoss)
        case lost(String)
    }

    /// Messages of one peer in one round: however many it sends, the others are heard after so many.
    static let share = 256

    /// - Parameter isUnfinished: messages that came earlier are still to be taken, before whatever the socket has, its end for one.
    /// - Returns: why this peer is listened to no longer.
    private func take(from link: ControlLink, isUnfinished: Bool, _ handlers: Handlers) -> LinkEnd? {
        var outcome: FillOutcome? = isUnfinished ? nil : link.fill()
        var rest = Self.share
        while true {
            let timestamp = hostTimestamp()
            do throws(ControlLinkError) {
                while rest > 0, let message = try link.nextMessage() {
                    rest -= 1
                    handlers.message(message, link.peer, timestamp)
                }
            } catch {
                if case .connection(.interrupted(let why)) = error { return .interrupted(why) }
                return .lost("\(error)")
            }
            switch outcome {
            case .interrupted(let why)?: return .interrupted(why)
            case .lost(let loss)?: return .lost("\(loss)")
            case .received?, .full?, nil: break
            }
            guard rest > 0 else {
                unfinished.insert(link.peer)
                link.flush()
                return nil
            }
            if case .received? = outcome {
                link.flush()
                return nil
            }
            outcome = link.fill()
        }
    }
}
