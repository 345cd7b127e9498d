package import Platform
package import Coherence
package import KVM
package import Interconnect
import Synchronization

/// The thread that owns the coherence engine, the userfaultfd and the links to the peers: no lock, no allocation and
/// no other thread on the path of a remote fault. It never touches a page that the engine does not call populated, never
/// calls a vCPU that runs guest code and never blocks on sending.
///
/// `Link` is the transport. The loop is specialised for it: nothing on the path goes through a witness table.
// SAFETY: unchecked because the loop's thread alone touches what is not in `orders`, `answered`, `running` and `wake`, and
// others do before it runs.
package final class CoherenceLoop<Link: PageLink & ~Copyable>: @unchecked Sendable {
    /// What the poller calls the descriptors that are no link's; a link's is its peer's index.
    private enum Number {
        static var faults: UInt32 { 64 }
        static var wake: UInt32 { 65 }
    }

    var engine: Engine
    let node: NodeID
    var effects = EffectBuffer()
    let totalPages: UInt32
    let nodeCount: Int
    let memory: GuestMemory
    let forgetter: ShadowForgetter?
    /// By node; nil for this node and for peers that are gone.
    var channels: [PageChannel<Link>?]
    var poller: Poller
    let slots: PageSlots
    var waiters: FaultWaiters
    var spin = AdaptiveSpin()
    var dropped: [PageNumber] = []
    var events = [FaultEvent](repeating: FaultEvent(page: PageNumber(0), thread: 0, isWrite: false), count: 8)
    var isDraining = false
    /// A peer has broken the protocol: engine and memory may differ, so nothing is done any more until the machine's end has come here.
    var isHalted = false
    let wake: WakeEvent
    let progress = ThreadProgress()
    let orders = Mutex(LoopOrders<Link.Renewal>())
    let answered = Parker()
    private let running = Atomic<Bool>(false)
    let onLoss: @Sendable (NodeID, PeerLoss) -> Void
    let onInterruption: (@Sendable (NodeID, ConnectionLoss) -> Void)?
    let onFailure: @Sendable (SystemError) -> Void
    let log: @Sendable (String) -> Void
    /// By node: links that wait for what they go on with, and how long one may, in nanoseconds.
    var interruptions: Interruptions
    let interruptionLimit: UInt64
    var nextWatch: UInt64 = 0
    var nextTick: UInt64 = 0

    /// - Parameters:
    ///   - channels: by node; nil for this node.
    ///   - interruptionLimit: nanoseconds after which a link that is interrupted is lost.
    ///   - onInterruption: called from the loop's thread when a link is interrupted: `adopt` is to follow. Nil: that is a loss.
    ///   - onLoss: called once from the loop's thread when a peer's link is lost or makes no sense.
    ///   - onFailure: called once from the loop's thread when this node's kernel refuses what the loop needs, memory for one.
    package init(
        configuration: EngineConfiguration, memory: GuestMemory, forgetter: ShadowForgetter?, channels: [PageChannel<Link>?],
        processors: [ProcessorSignal], interruptionLimit: UInt64 = 0, onInterruption: (@Sendable (NodeID, ConnectionLoss) -> Void)? = nil,
        onLoss: @escaping @Sendable (NodeID, PeerLoss) -> Void, onFailure: @escaping @Sendable (SystemError) -> Void,
        log: @escaping @Sendable (String) -> Void
    ) throws(SystemError) {
        engine = Engine(configuration: configuration)
        node = configuration.node
        totalPages = configuration.totalPages
        nodeCount = configuration.nodeCount
        self.memory = memory
        self.forgetter = forgetter
        self.channels = channels
        slots = PageSlots(count: engine.parkingSlots)
        waiters = FaultWaiters(processors)
        wake = try WakeEvent()
        poller = try Poller()
        self.onLoss = onLoss
        self.onInterruption = onInterruption
        self.interruptionLimit = interruptionLimit
        interruptions = Interruptions(nodes: channels.count)
        self.onFailure = onFailure
        self.log = log
        try poller.add(memory.faults.rawValue, as: Number.faults)
        try poller.add(wake.rawDescriptor, as: Number.wake)
        for channel in channels {
            guard let channel else { continue }
            channel.sendsDifferences = configuration.policies.contains(.differenceTransfer)
            try poller.add(channel.fileDescriptor, as: UInt32(channel.peer.rawValue))
        }
        dropped.reserveCapacity(Engine.maximumEffects)
    }

    /// Whether the loop's thread is there to answer.
    package var isRunning: Bool { running.load(ordering: .sequentiallyConsistent) }

    /// Runs on the calling thread until `quit`.
    @_specialize(where Link == Connection)
    package func run() {
        becomeRealtime(priority: 20)
        running.store(true, ordering: .sequentiallyConsistent)
        defer { running.store(false, ordering: .sequentiallyConsistent) }
        do throws(SystemError) {
            while try turn() {}
        } catch {
            fail(error)
            while (try? turn()) == true {}
        }
    }

    private func turn() throws(SystemError) -> Bool {
        progress.step()
        var now = monotonicNow()
        if !isDraining, !isHalted, let deadline = engine.nextDeadline, deadline.nanoseconds <= now {
            engine.expire(now: Instant(nanoseconds: now), effects: &effects)
            try executeWithoutContents(now: now)
            try flush()
            now = monotonicNow()
        }
        if now >= nextWatch {
            logLongWaits(now)
            loseInterrupted(now)
        }
        if now >= nextTick { tickLinks(now) }
        var timeout = LoopTimes.tickInterval
        if !isDraining, !isHalted, let deadline = engine.nextDeadline {
            timeout = min(timeout, deadline.nanoseconds > now ? deadline.nanoseconds - now : 0)
        }
        let count = try awaitEvents(timeout: timeout, now: now)
        for index in 0..<count {
            let number = poller.ready(index)
            switch number {
            case Number.faults: try takeFaults()
            case Number.wake:
                wake.clear()
                guard try takeOrders() else { return false }
            default:
                if let channel = channels[Int(number)] { takeMessages(channel) }
            }
            try flush()
        }
        return true
    }

    /// Spins before it sleeps while a processor of this node waits for a page and pages have come soon: the time is taken
    /// from no guest.
    private func awaitEvents(timeout: UInt64, now: UInt64) throws(SystemError) -> Int {
        guard waiters.isAnyWaiting else { return try poller.wait(timeout: timeout) }
        var count = 0
        var waited: UInt64 = 0
        let limit = spin.isWorthwhile ? min(timeout, AdaptiveSpin.limit) : 0
        while count == 0, waited < limit {
            count = try poller.wait(timeout: 0)
            waited = monotonicNow() - now
        }
        if count == 0 { count = try poller.wait(timeout: timeout - min(timeout, waited)) }
        spin.waited(monotonicNow() - now)
        return count
    }

    private func flush() throws(SystemError) {
        for channel in channels {
            guard let channel else { continue }
            if let end = try channel.flush(poller, number: UInt32(channel.peer.rawValue)) { handle(end, of: channel) }
        }
    }
}

/// In nanoseconds.
enum LoopTimes {
    /// How often the loop looks for processors that have waited long.
    static let watchInterval: UInt64 = 1_000_000_000
    /// How often links are asked whether anything still arrives at their other ends.
    static let tickInterval: UInt64 = 250_000_000
    /// A wait that is logged.
    static let longWait: UInt64 = 5_000_000_000
}
