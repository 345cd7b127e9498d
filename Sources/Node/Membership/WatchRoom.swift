package import Contract
package import Interconnect
package import Platform
import Synchronization

/// Sends heartbeats to every peer that has proved the key and listens for theirs, on a thread of its own that waits for nothing else: ``Watch`` decides.
/// It runs from before the first peer has joined until the machine is over.
// SAFETY: unchecked because `thread` belongs to who starts and stops the room, and `line` to its thread.
package final class WatchRoom: @unchecked Sendable {
    /// Called on the room's thread; none may block.
    package struct Handlers: Sendable {
        package var loss: @Sendable (Watch.Loss) -> Void
        /// Every 100 ms.
        package var beat: @Sendable () -> Void

        package init(loss: @escaping @Sendable (Watch.Loss) -> Void, beat: @escaping @Sendable () -> Void) {
            self.loss = loss
            self.beat = beat
        }
    }

    private struct Joined {
        var identity: NodeIdentity
        var address: SocketAddress
    }

    private struct Shared {
        var watch: Watch
        /// Peers that the thread has not taken up yet.
        var joined: [Joined] = []
        var handlers: Handlers?
    }

    private let shared: Mutex<Shared>
    private let wake: WakeEvent
    private let beating = ThreadProgress()
    private let isStopping = Atomic<Bool>(false)
    private let say: @Sendable (String) -> Void
    private var line: HeartbeatLine
    private let narrower: PortNarrower
    private var thread: SystemThread?

    package init(
        _ identity: NodeIdentity, key: ClusterKey, reach: Reach, outageSeconds: Int = Limits.standardOutageSeconds, sizer: PortSizer? = nil,
        say: @escaping @Sendable (String) -> Void
    ) throws(SystemError) {
        wake = try WakeEvent()
        line = try HeartbeatLine(identity, key: key, reach: reach, wake: wake)
        narrower = PortNarrower(reach, sizer, say: say)
        self.say = say
        let now = monotonicNow()
        shared = Mutex(
            Shared(watch: Watch(node: identity.index, count: identity.count, timing: .init(outageSeconds: outageSeconds), mtu: line.mtu, now: now)))
    }

    package func start() {
        narrower.start()
        thread = SystemThread("vsmp-beat") { [self] in run() }
    }

    package func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake.raise()
        narrower.stop()
        thread?.join()
        thread = nil
        shared.withLock { $0.handlers = nil }
    }

    // MARK: Other threads

    /// A start of a peer has joined, and is there.
    package func expect(_ peer: NodeIdentity, at address: SocketAddress) {
        shared.withLock { $0.joined.append(Joined(identity: peer, address: address)) }
        wake.raise()
    }

    /// Its board runs another start of that peer.
    func startedAnew(_ peer: NodeIndex) { shared.withLock { $0.watch.startedAnew(peer) } }

    /// All have joined: silence counts from now on.
    package func judge(_ handlers: Handlers) {
        shared.withLock { shared in
            shared.watch.judge(now: monotonicNow())
            shared.handlers = handlers
        }
        wake.raise()
    }

    /// Takes the machine's outage in the place of this node's own.
    package func adopt(outageSeconds: Int) { shared.withLock { $0.watch.adopt(Watch.Timing(outageSeconds: outageSeconds)) } }

    /// Rounds of the thread.
    var progress: [String: UInt64] { isStopping.load(ordering: .sequentiallyConsistent) ? [:] : ["vsmp-beat": beating.count] }

    /// What the report of this node says of the others.
    package var account: WatchAccount {
        shared.withLock { WatchAccount(peers: $0.watch.figures, stops: $0.watch.stops, longestStop: $0.watch.longestStop) }
    }

    // MARK: The thread

    private func run() {
        becomeRealtime(priority: 21)
        var next = monotonicNow()
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            let before = monotonicNow()
            line.wait(timeout: next > before ? next - before : 0, wake)
            let joined = shared.withLock { shared in
                defer { shared.joined = [] }
                return shared.joined
            }
            for peer in joined where !line.has(peer.identity) {
                if let why = line.add(peer.identity, at: peer.address) { say(why) }
                shared.withLock { $0.watch.expect(peer.identity.index, now: monotonicNow()) }
            }
            take()
            let now = monotonicNow()
            guard now >= next else { continue }
            next = max(next + Watch.Timing.beat, now)
            beating.step()
            tick(now)
        }
    }

    private func take() {
        // Bounded, so that a flood does not keep this node from its own heartbeats.
        for _ in 0..<256 {
            guard let arrival = line.receive() else { return }
            shared.withLock { shared in
                switch arrival {
                case .beat(let beat, let size): shared.watch.heard(beat, size: size, now: monotonicNow())
                case .refused(let peer): shared.watch.refused(peer)
                }
            }
        }
    }

    private func tick(_ now: UInt64) {
        for outgoing in shared.withLock({ $0.watch.beats(now: now) }) where line.send(outgoing) { shared.withLock { $0.watch.refused(outgoing.to) } }
        let (events, handlers) = shared.withLock { ($0.watch.tick(now: now), $0.handlers) }
        for event in events {
            switch event {
            case .lost(let loss): handlers?.loss(loss)
            case .narrowPath(let peer, let full, let carried): narrower.narrow(PortNarrower.NarrowPath(peer: peer, full: full, carried: carried))
            case .slow, .stoodStill: if let words = ConsoleWords.warning(event, outage: shared.withLock { $0.watch.timing.outage }) { say(words) }
            }
        }
        handlers?.beat()
    }
}
