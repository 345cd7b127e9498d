package import Platform
internal import KVM
package import Interconnect
import Synchronization

/// A frame of a control connection, copied out.
package struct ControlFrame: Sendable {
    package let from: UInt8
    package let kind: FrameKind
    package let body: [UInt8]
    package let payload: [UInt8]
    /// The time-stamp counter when the frame was taken from the socket.
    package let timestamp: UInt64
}

/// One peer's control connection; any thread may send.
package final class ControlLink: Sendable {
    package let peer: UInt8
    package let fileDescriptor: Int32
    private let connection: Mutex<Connection>

    package init(_ connection: consuming Connection, peer: UInt8) {
        self.peer = peer
        fileDescriptor = connection.fileDescriptor
        self.connection = Mutex(connection)
    }

    /// Queues a frame and hands it to the kernel. False when the send ring is full: that peer has not read for long.
    @discardableResult
    package func send(_ kind: FrameKind, _ body: [UInt8], payload: [UInt8] = []) -> Bool {
        connection.withLock { connection in
            let queued = unsafe body.withUnsafeBytes { body in
                unsafe payload.withUnsafeBytes { payload in unsafe connection.enqueue(kind, body: body, payload: payload) }
            }
            _ = connection.flush()
            return queued
        }
    }

    package func flush() { connection.withLock { connection in _ = connection.flush() } }

    package var counters: ConnectionCounters { connection.withLock { $0.counters } }

    func fill() -> FillOutcome { connection.withLock { $0.fill() } }

    func nextFrame(timestamp: UInt64) -> Result<ControlFrame?, FrameError> {
        connection.withLock { connection in
            do throws(FrameError) {
                guard let frame = try connection.nextFrame() else { return .success(nil) }
                return .success(
                    ControlFrame(
                        from: peer, kind: frame.kind, body: frame.bodyBytes, payload: frame.payloadBytes, timestamp: timestamp))
            } catch {
                return .failure(error)
            }
        }
    }
}

/// Everything between nodes that is not coherence: one thread receives, one beats and watches, any thread sends.
package final class ControlPlane: @unchecked Sendable {
    private let links: [ControlLink?]
    private var poller: Poller
    private let wake: WakeEvent
    private let detector: Mutex<FailureDetector>
    private let isStopping = Atomic<Bool>(false)
    private let beat = Parker()
    private let handler: @Sendable (ControlFrame) -> Void
    private let onLoss: @Sendable (UInt8, String) -> Void
    private let onBeat: @Sendable () -> Void
    private var threads: [SystemThread] = []

    /// - Parameters:
    ///   - links: by node index; nil for this node.
    ///   - handler: called on the receiving thread; must not block.
    ///   - onLoss: a peer is lost, and why; called once a peer.
    ///   - onBeat: called every 100 ms on the beating thread.
    package init(
        links: [ControlLink?], handler: @escaping @Sendable (ControlFrame) -> Void,
        onLoss: @escaping @Sendable (UInt8, String) -> Void, onBeat: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        self.links = links
        self.handler = handler
        self.onLoss = onLoss
        self.onBeat = onBeat
        wake = try WakeEvent()
        poller = try Poller()
        detector = Mutex(FailureDetector(watching: NodeSet(links.compactMap { $0?.peer }), now: monotonicNow()))
        try poller.add(wake.rawDescriptor, as: 64)
        for link in links {
            if let link { try poller.add(link.fileDescriptor, as: UInt32(link.peer)) }
        }
    }

    package func start() {
        threads = [
            SystemThread("vsmp-control") { [self] in receive() },
            SystemThread("vsmp-beat") { [self] in beats() },
        ]
    }

    package func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake.raise()
        beat.unpark()
        for thread in threads { thread.join() }
        threads = []
    }

    @discardableResult
    package func send(to node: UInt8, _ kind: FrameKind, _ body: [UInt8], payload: [UInt8] = []) -> Bool {
        links[Int(node)]?.send(kind, body, payload: payload) ?? false
    }

    package func broadcast(_ kind: FrameKind, _ body: [UInt8], payload: [UInt8] = []) {
        for link in links { link?.send(kind, body, payload: payload) }
    }

    /// Frames and bytes that have passed on all control connections, both ways.
    package var bytes: UInt64 {
        links.reduce(0) { sum, link in sum + (link.map { $0.counters.bytesSent + $0.counters.bytesReceived } ?? 0) }
    }

    // MARK: Receiving

    private func receive() {
        becomeRealtime(priority: 19)
        var gone = NodeSet()
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            guard let count = try? poller.wait(timeout: nil) else { return }
            for index in 0..<count {
                let number = poller.ready(index)
                guard number < 64, let link = links[Int(number)], !gone.contains(link.peer) else {
                    wake.clear()
                    continue
                }
                if let loss = take(from: link) {
                    gone.insert(link.peer)
                    try? poller.remove(link.fileDescriptor)
                    if detector.withLock({ $0.streamEnded(link.peer, loss) }) { onLoss(link.peer, "\(loss)") }
                }
            }
        }
    }

    private func take(from link: ControlLink) -> ConnectionLoss? {
        while true {
            let outcome = link.fill()
            let timestamp = hostTimestamp()
            frames: while true {
                switch link.nextFrame(timestamp: timestamp) {
                case .failure(let error): return .malformed(error)
                case .success(.none): break frames
                case .success(.some(let frame)):
                    detector.withLock { $0.heard(link.peer, now: monotonicNow()) }
                    if frame.kind != .heartbeat { handler(frame) }
                }
            }
            switch outcome {
            case .received: return nil
            case .full: continue
            case .lost(let loss): return loss
            }
        }
    }

    // MARK: Beating

    private func beats() {
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
            broadcast(.heartbeat, [])
            let lost = detector.withLock { $0.tick(now: now) }
            for peer in lost.members {
                let reason = detector.withLock { $0.reason(peer) }
                onLoss(peer, reason.map { "\($0)" } ?? "no heartbeat")
            }
            onBeat()
        }
    }
}
