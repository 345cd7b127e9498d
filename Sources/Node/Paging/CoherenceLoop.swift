package import Platform
package import Coherence
import Glibc
package import KVM
import Interconnect
import Synchronization

/// The thread that owns the coherence engine, the userfaultfd and the coherence connections: no lock, no allocation and
/// no other thread on the path of a remote fault. It never touches a page that the engine does not call populated, never
/// calls a vCPU that runs guest code and never blocks on sending.
package final class CoherenceLoop: @unchecked Sendable {
    package struct Snapshot: Sendable {
        package var statistics = Statistics()
        package var faultTimes = FaultTimes()
        package var heldPages = 0
        package var hottest: [HotPage] = []
        package var bytesSent: UInt64 = 0
        package var bytesReceived: UInt64 = 0
        package var shadowsForgotten: UInt64 = 0
        package var shadowsSpared: UInt64 = 0
        package var sendOverflows: UInt64 = 0
        package var differencesSent: UInt64 = 0
        package var bytesSpared: UInt64 = 0
        /// Processors that wait for a page now.
        package var waiting: [FaultWaiters.Wait] = []
        /// The policies in effect.
        package var policies = PolicySet.none
    }

    private enum Number {
        static let faults: UInt32 = 64
        static let wake: UInt32 = 65
    }

    private struct Orders {
        /// Snapshots asked for so far, and how many of them `snapshot` answers.
        var asked: UInt64 = 0
        var answered: UInt64 = 0
        var snapshot = Snapshot()
        /// To go over to.
        var policies: PolicySet?
        var drain = false
        var quit = false
    }

    private var engine: Engine
    private let node: NodeID
    private var effects = EffectBuffer()
    private let totalPages: UInt32
    private let nodeCount: Int
    private let memory: GuestMemory
    private let forgetter: ShadowForgetter?
    private var links: [CoherenceLink?]
    private var poller: Poller
    private let slots: PageSlots
    private var waiters: FaultWaiters
    private var spin = AdaptiveSpin()
    private var dropped: [UInt64] = []
    private var events = [FaultEvent](repeating: FaultEvent(page: 0, thread: 0, isWrite: false), count: 8)
    private var isDraining = false
    private let wake: WakeEvent
    private let orders = Mutex(Orders())
    private let answered = Parker()
    private let running = Atomic<Bool>(false)
    private let onLoss: @Sendable (NodeID, String) -> Void
    private let log: @Sendable (String) -> Void
    private var nextWatch: UInt64 = 0

    /// - Parameters:
    ///   - links: by node; nil for this node.
    ///   - onLoss: called once from the loop's thread when a peer's stream ends or makes no sense.
    package init(
        configuration: EngineConfiguration, memory: GuestMemory, forgetter: ShadowForgetter?, links: [CoherenceLink?],
        processors: [ProcessorSignal], onLoss: @escaping @Sendable (NodeID, String) -> Void,
        log: @escaping @Sendable (String) -> Void
    ) throws(SystemError) {
        engine = Engine(configuration: configuration)
        node = configuration.node
        totalPages = configuration.totalPages
        nodeCount = configuration.nodeCount
        self.memory = memory
        self.forgetter = forgetter
        self.links = links
        slots = PageSlots(count: engine.parkingSlots)
        waiters = FaultWaiters(processors)
        wake = try WakeEvent()
        poller = try Poller()
        self.onLoss = onLoss
        self.log = log
        try poller.add(memory.faults.rawValue, as: Number.faults)
        try poller.add(wake.rawDescriptor, as: Number.wake)
        for link in links {
            guard let link else { continue }
            link.sendsDifferences = configuration.policies.contains(.differenceTransfer)
            try poller.add(link.fileDescriptor, as: UInt32(link.peer.rawValue))
        }
        dropped.reserveCapacity(Engine.maximumEffects)
    }

    // MARK: Before the loop runs

    /// Fills a page of this home before any processor runs (the guest's kernel).
    package func populate(_ page: PageNumber, from source: UnsafeRawPointer) throws(SystemError) {
        try unsafe memory.install(UInt64(page.rawValue), from: source, writable: true)
        engine.claim(page)
    }

    // MARK: Other threads

    /// Whether the loop's thread is there to answer.
    package var isRunning: Bool { running.load(ordering: .sequentiallyConsistent) }

    /// What the loop looks like after all orders before this one; nil when it does not answer within 2 s.
    package func snapshot() -> Snapshot? {
        let number = orders.withLock { orders in
            orders.asked += 1
            return orders.asked
        }
        wake.raise()
        for _ in 0..<200 {
            if let snapshot = orders.withLock({ $0.answered >= number ? $0.snapshot : nil }) { return snapshot }
            answered.park(timeout: 10_000_000)
        }
        return nil
    }

    /// Goes over to other policies, for what comes from now on.
    package func use(_ policies: PolicySet) {
        orders.withLock { $0.policies = policies }
        wake.raise()
    }

    /// The machine is dead: from now on every page a thread waits for is filled with zeroes, so that the processors
    /// come back from KVM and can be collected. Nothing is sent any more.
    package func drain() {
        orders.withLock { $0.drain = true }
        wake.raise()
    }

    package func quit() {
        orders.withLock { $0.quit = true }
        wake.raise()
    }

    // MARK: The loop

    package func run() {
        becomeRealtime(priority: 20)
        running.store(true, ordering: .sequentiallyConsistent)
        defer { running.store(false, ordering: .sequentiallyConsistent) }
        do throws(SystemError) {
            while try turn() {}
        } catch {
            onLoss(node, "\(error)")
            beginDraining()
            while (try? turn()) == true {}
        }
    }

    private func turn() throws(SystemError) -> Bool {
        var now = monotonicNow()
        if !isDraining, let deadline = engine.nextDeadline, deadline.nanoseconds <= now {
            engine.expire(now: Instant(nanoseconds: now), effects: &effects)
            try unsafe execute(UnsafeRawBufferPointer(start: nil, count: 0), now: now)
            try flush()
            now = monotonicNow()
        }
        if now >= nextWatch { watch(now) }
        var timeout = Self.watchInterval
        if !isDraining, let deadline = engine.nextDeadline {
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
                if let link = links[Int(number)] { try takeFrames(link) }
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

    private static let watchInterval: UInt64 = 1_000_000_000
    private static let longWait: UInt64 = 5_000_000_000

    /// A page that does not come is said on the console, with what this node knows about it: never a silent hang.
    private func watch(_ now: UInt64) {
        nextWatch = now + Self.watchInterval
        for wait in waiters.takeOverdue(limit: Self.longWait, now: now) {
            let state = engine.stateOf(PageNumber(wait.page))
            log(
                "processor \(wait.processor) of this node has waited \(wait.nanoseconds / 1_000_000_000) s for page "
                    + "0x\(String(wait.page, radix: 16)): \(state)")
        }
    }

    private func takeFaults() throws(SystemError) {
        while true {
            let count = try memory.readFaults(into: &events)
            guard count > 0 else { return }
            let now = monotonicNow()
            for index in 0..<count {
                let event = events[index]
                waiters.began(event, now: now)
                if isDraining {
                    fill(event.page)
                    continue
                }
                engine.fault(
                    PageNumber(UInt32(truncatingIfNeeded: event.page)), isWrite: event.isWrite,
                    processor: UInt16(truncatingIfNeeded: event.thread), now: Instant(nanoseconds: now), effects: &effects)
                try unsafe execute(UnsafeRawBufferPointer(start: nil, count: 0), now: now)
            }
            guard count == events.count else { return }
        }
    }

    private func takeFrames(_ link: CoherenceLink) throws(SystemError) {
        guard !isDraining else { return discard(link) }
        var outcome = link.fill()
        while true {
            do throws(FrameError) {
                while let frame = try link.nextFrame() { takeFrame(frame, from: link) }
            } catch {
                lose(link, "\(error)")
                return
            }
            switch outcome {
            case .received: return
            case .full: outcome = link.fill()
            case .lost(let loss):
                lose(link, "\(loss)")
                return
            }
        }
    }

    /// The machine is dead: nobody reads what still comes. A peer that has gone is let go of: its socket is readable for
    /// ever, and a loop that never sleeps at this priority keeps every other thread from ending.
    private func discard(_ link: CoherenceLink) {
        var isGone = false
        if case .lost = link.fill() { isGone = true }
        do { while let frame = try link.nextFrame() { _ = frame } } catch { isGone = true }
        if isGone { letGo(link) }
    }

    private func takeFrame(_ frame: ReceivedFrame, from link: CoherenceLink) {
        // SAFETY: the frame stays valid until the link's next frame; the effects are executed before that.
        let body = unsafe frame.unsafeBody
        let bytes = unsafe Span<UInt8>(_unsafeBytes: body)
        guard let message = Message(decoding: bytes, nodeCount: nodeCount, totalPages: totalPages),
            let payload = unsafe link.contents(frame, of: message)
        else {
            lose(link, "a coherence message that no node of this machine can send")
            return
        }
        let now = monotonicNow()
        do throws(ProtocolViolation) {
            try engine.receive(message, from: link.peer, now: Instant(nanoseconds: now), effects: &effects)
        } catch {
            effects.removeAll()
            lose(link, "\(error)")
            return
        }
        do throws(SystemError) {
            try unsafe execute(payload, now: now)
        } catch {
            onLoss(node, "\(error)")
        }
    }

    private func lose(_ link: CoherenceLink, _ why: String) {
        letGo(link)
        onLoss(link.peer, why)
    }

    /// Others may hold the link still, so its socket stays open: the poller is told as well.
    private func letGo(_ link: CoherenceLink) {
        links[Int(link.peer.rawValue)] = nil
        try? poller.remove(link.fileDescriptor)
    }

    private func flush() throws(SystemError) {
        for link in links {
            guard let link else { continue }
            if let loss = try link.flush(poller, number: UInt32(link.peer.rawValue)) { lose(link, "\(loss)") }
        }
    }

    // MARK: Effects

    private func execute(_ received: UnsafeRawBufferPointer, now: UInt64) throws(SystemError) {
        var index = 0
        while index < effects.count {
            // Adjacent pages share a system call: it costs more than what it does to a page.
            var count = 1
            while index + count < effects.count, effects[index + count].continues(effects[index], by: count) { count += 1 }
            defer { index += count }
            switch effects[index] {
            case .send(let message, let to, let contents):
                guard let link = links[Int(to.rawValue)] else { continue }
                switch contents {
                case .none: link.send(message, PageSelection(first: message.page, mask: 0), memory: memory)
                case .page(let page):
                    if engine.looksForZeros(message), memory.isZero(UInt64(page.rawValue)), let shorter = engine.withoutZeros(message) {
                        link.send(shorter, PageSelection(first: page, mask: 0), memory: memory)
                    } else {
                        link.send(message, PageSelection(first: page, mask: 1), memory: memory)
                    }
                case .pages(let first, let mask): link.send(message, PageSelection(first: first, mask: mask), memory: memory)
                }
            case .park(let slot, let index):
                unsafe memcpy(slots.slot(slot), received.baseAddress! + index * PageNumber.size, PageNumber.size)
            case .install(let page, let writable, let source):
                try unsafe install(page, count: count, writable: writable, from: source, received: received)
                waiters.ended(page.rawValue, count: UInt32(count), isRemote: true, now: monotonicNow())
            case .makeWritable(let page):
                try memory.makeWritable(UInt64(page.rawValue))
                waiters.ended(page.rawValue, isRemote: true, now: monotonicNow())
            case .protect(let page): try memory.protect(UInt64(page.rawValue), count: count)
            case .drop(let page):
                try memory.drop(UInt64(page.rawValue), count: count)
                for offset in 0..<UInt64(count) { dropped.append(UInt64(page.rawValue) + offset) }
            case .zeroFill(let first, let count):
                try memory.zeroFill(UInt64(first.rawValue), count: Int(count))
                waiters.ended(first.rawValue, count: count, isRemote: false, now: now)
            case .wake(let page):
                memory.wake(UInt64(page.rawValue))
                waiters.ended(page.rawValue, isRemote: false, now: now)
            }
        }
        effects.removeAll()
        if !dropped.isEmpty {
            try forgetter?.forget(dropped)
            dropped.removeAll(keepingCapacity: true)
        }
    }

    private func install(
        _ page: PageNumber, count: Int, writable: Bool, from source: Effect.Source, received: UnsafeRawBufferPointer
    ) throws(SystemError) {
        let number = UInt64(page.rawValue)
        let isNew: Bool
        switch source {
        case .zero: isNew = try memory.installZero(number, writable: writable)
        case .parked(let slot): isNew = try unsafe memory.install(number, from: slots.slot(slot), writable: writable)
        case .received(let index):
            precondition((index + count) * PageNumber.size <= received.count)
            isNew = try unsafe memory.install(
                number, count: count, from: received.baseAddress! + index * PageNumber.size, writable: writable)
        }
        // What is there would be older than what came: better no machine than a wrong one.
        guard isNew else { throw SystemError("the page is there already", on: "page \(number)", code: EEXIST) }
    }

    // MARK: Orders

    private func takeOrders() throws(SystemError) -> Bool {
        let (asked, isAnswered, policies, drain, quit) = orders.withLock { orders in
            defer { orders.policies = nil }
            return (orders.asked, orders.asked == orders.answered, orders.policies, orders.drain, orders.quit)
        }
        if let policies {
            engine.use(policies)
            for link in links { link?.sendsDifferences = policies.contains(.differenceTransfer) }
        }
        if !isAnswered {
            let snapshot = makeSnapshot()
            orders.withLock { orders in
                orders.snapshot = snapshot
                orders.answered = asked
            }
            answered.unpark()
        }
        if drain && !isDraining { beginDraining() }
        return !quit
    }

    private func beginDraining() {
        isDraining = true
        for page in waiters.pages { fill(UInt64(page)) }
    }

    private func fill(_ page: UInt64) {
        _ = try? memory.installZero(page, writable: true)
        try? memory.makeWritable(page)
        memory.wake(page)
        waiters.ended(UInt32(truncatingIfNeeded: page), isRemote: false, now: monotonicNow())
    }

    private func makeSnapshot() -> Snapshot {
        var snapshot = Snapshot()
        snapshot.statistics = engine.statistics
        snapshot.policies = engine.policies
        snapshot.faultTimes = waiters.times
        snapshot.waiting = waiters.waits(now: monotonicNow())
        snapshot.heldPages = engine.heldPageCount
        snapshot.hottest = engine.hottestPages(16)
        for link in links {
            guard let link else { continue }
            snapshot.bytesSent += link.counters.bytesSent
            snapshot.bytesReceived += link.counters.bytesReceived
            snapshot.sendOverflows += link.overflowed
            snapshot.differencesSent += link.differencesSent
            snapshot.bytesSpared += link.bytesSpared
        }
        snapshot.shadowsForgotten = forgetter?.forgotten ?? 0
        snapshot.shadowsSpared = forgetter?.spared ?? 0
        return snapshot
    }
}
