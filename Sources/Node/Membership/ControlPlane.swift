package import Contract
package import Platform
internal import Interconnect
import Synchronization

/// Everything between nodes that is not coherence: one thread receives, one beats and watches, any thread sends. Neither thread waits for anything
/// but the network and the clock.
// SAFETY: unchecked because `poller` belongs to the receiving thread once it runs, and `threads` to who starts and stops the plane.
package final class ControlPlane: @unchecked Sendable {
    /// Called on the plane's threads; none may block.
    package struct Handlers: Sendable {
        /// A message, the node that sent it, and the time-stamp counter when it was taken from the socket.
        package var message: @Sendable (ControlMessage, NodeIndex, UInt64) -> Void
        /// A peer is lost, and why; once a peer.
        package var loss: @Sendable (NodeIndex, String) -> Void
        /// Every 100 ms, on the beating thread.
        package var beat: @Sendable () -> Void

        package init(
            message: @escaping @Sendable (ControlMessage, NodeIndex, UInt64) -> Void, loss: @escaping @Sendable (NodeIndex, String) -> Void,
            beat: @escaping @Sendable () -> Void
        ) {
            self.message = message
            self.loss = loss
            self.beat = beat
        }
    }

    private let links: [ControlLink?]
    private var poller: Poller
    private let wake: WakeEvent
    private let (receiving, beating) = (ThreadProgress(), ThreadProgress())
    private let detector: Mutex<FailureDetector>
    private let isStopping = Atomic<Bool>(false)
    /// Peers whose send ring was full.
    private let stalled = Atomic<UInt64>(0)
    private let beat = Parker()
    private var threads: [SystemThread] = []

    /// - Parameter links: by node index; nil for this node.
    package init(links: [ControlLink?]) throws(SystemError) {
        self.links = links
        wake = try WakeEvent()
        poller = try Poller()
        detector = Mutex(FailureDetector(watching: NodeSet(links.compactMap { $0?.peer }), now: monotonicNow()))
        try poller.add(wake.rawDescriptor, as: UInt32(links.count))
        for link in links {
            if let link { try poller.add(link.fileDescriptor, as: UInt32(link.peer.rawValue)) }
        }
    }

    package func start(_ handlers: Handlers) {
        threads = [
            SystemThread("vsmp-control") { [self] in receive(handlers) },
            SystemThread("vsmp-beat") { [self] in beats(handlers) },
        ]
    }

    package func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake.raise()
        beat.unpark()
        for thread in threads { thread.join() }
        threads = []
    }

    /// Rounds of both threads. The one that receives is woken, so that it comes round also where nobody sends.
    var progress: [String: UInt64] {
        wake.raise()
        return ["vsmp-control": receiving.count, "vsmp-beat": beating.count]
    }

    // MARK: Sending

    /// - Returns: false when the peer is not there or has not read for long; it is lost then.
    @discardableResult
    package func send(_ message: ControlMessage, to node: NodeIndex) -> Bool { links[node: node].map { send(message.frame, over: $0) } ?? false }

    /// The same for what the caller sends again.
    package func offer(_ message: ControlMessage, to node: NodeIndex) -> Bool { links[node: node]?.send(message.frame) ?? false }

    package func broadcast(_ message: ControlMessage) {
        let frame = message.frame
        for link in links { if let link { send(frame, over: link) } }
    }

    /// A frame that finds no room is missing for ever: an interrupt, an answer. The next beat says that this peer is lost.
    @discardableResult
    private func send(_ frame: ControlMessage.Frame, over link: ControlLink) -> Bool {
        let isQueued = link.send(frame)
        if !isQueued { stalled.bitwiseOr(1 << UInt64(link.peer.rawValue), ordering: .relaxed) }
        return isQueued
    }

    /// Frames and bytes that have passed on all control connections, both ways.
    package var bytes: UInt64 {
        links.reduce(0) { sum, link in sum + (link.map { $0.counters.bytesSent + $0.counters.bytesReceived } ?? 0) }
    }

    // MARK: Receiving

    private func receive(_ handlers: Handlers) {
        becomeRealtime(priority: 19)
        var gone = NodeSet()
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            guard let count = try? poller.wait(timeout: nil) else { return }
            receiving.step()
            for index in 0..<count {
                let number = poller.ready(index)
                guard number < links.count, let link = links[Int(number)], !gone.contains(link.peer) else {
                    wake.clear()
                    continue
                }
                if let why = take(from: link, handlers) {
                    gone.insert(link.peer)
                    try? poller.remove(link.fileDescriptor)
                    if detector.withLock({ $0.streamEnded(link.peer, .closed) }) { handlers.loss(link.peer, why) }
                }
            }
        }
    }

    /// - Returns: why this peer is listened to no longer.
    private func take(from link: ControlLink, _ handlers: Handlers) -> String? {
        while true {
            let outcome = link.fill()
            let timestamp = hostTimestamp()
            do throws(ControlLinkError) {
                while let message = try link.nextMessage() {
                    detector.withLock { $0.heard(link.peer, now: monotonicNow()) }
                    if case .heartbeat = message { continue }
                    handlers.message(message, link.peer, timestamp)
                }
            } catch {
                return "\(error)"
            }
            switch outcome {
            case .received:
                link.flush()
                return nil
            case .full: continue
            case .interrupted(let loss), .lost(let loss): return "\(loss)"
            }
        }
    }

    // MARK: Beating

    private func beats(_ handlers: Handlers) {
        becomeRealtime(priority: 21)
        let period = FailureDetector.Timing().beat
        var next = monotonicNow() + period
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            let now = monotonicNow()
            if now < next {
                beat.park(timeout: next - now)
                continue
            }
            next = max(next + period, now)
            beating.step()
            broadcast(.heartbeat)
            for link in links { link?.flush() }
            for peer in NodeSet(bits: stalled.exchange(0, ordering: .relaxed)).members where detector.withLock({ $0.streamEnded(peer, .closed) }) {
                handlers.loss(peer, "it has read nothing for long, and no more fits into the connection")
            }
            let lost = detector.withLock { $0.tick(now: now) }
            for peer in lost.members {
                let reason = detector.withLock { $0.reason(peer) }
                handlers.loss(peer, reason.map { "\($0)" } ?? "no heartbeat")
            }
            handlers.beat()
        }
    }
}
