import KVM
import Coherence

/// What page each local processor waits for, so that a kick is not wasted on it (it would only spin inside KVM) and
/// the time of a remote fault is known.
package struct FaultWaiters {
    private struct Waiter {
        var page: PageNumber?
        var since: UInt64 = 0
        var isReported = false
    }

    private let processors: [ProcessorSignal]
    private var waiters: [Waiter]
    /// Pages that threads behind devices wait for.
    private var otherPages: [PageNumber] = []
    private(set) var times = FaultTimes()

    init(_ processors: [ProcessorSignal]) {
        self.processors = processors
        waiters = Array(repeating: Waiter(), count: processors.count)
    }

    mutating func began(_ fault: FaultEvent, now: UInt64) {
        var isProcessor = false
        for index in processors.indices where processors[index].threadID == fault.thread {
            isProcessor = true
            if waiters[index].page != fault.page { waiters[index] = Waiter(page: fault.page, since: now) }
            processors[index].isWaitingForPage = true
        }
        if !isProcessor, !otherPages.contains(fault.page) { otherPages.append(fault.page) }
    }

    /// Pages `first` ..< `first + count` are here. `isRemote`: something had to travel for it.
    mutating func ended(_ first: PageNumber, count: UInt32 = 1, isRemote: Bool, now: UInt64) {
        if !otherPages.isEmpty { otherPages.removeAll { $0 >= first && $0.rawValue - first.rawValue < count } }
        for index in waiters.indices {
            guard let page = waiters[index].page, page >= first, page.rawValue - first.rawValue < count else { continue }
            if isRemote {
                times.add(now &- waiters[index].since)
                processors[index].pacing.stalled(since: waiters[index].since, until: now)
            }
            waiters[index].page = nil
            processors[index].isWaitingForPage = false
            processors[index].repeatKick()
        }
    }

    /// Waits longer than `limit` nanoseconds that were not told before.
    mutating func takeOverdue(limit: UInt64, now: UInt64) -> [PageWait] {
        let overdue = waits(now: now).filter { $0.nanoseconds > limit && !waiters[$0.processor].isReported }
        for wait in overdue { waiters[wait.processor].isReported = true }
        return overdue
    }

    /// Everyone who waits now.
    func waits(now: UInt64) -> [PageWait] {
        waiters.indices.compactMap { index in
            waiters[index].page.map { PageWait(processor: index, page: $0, nanoseconds: now &- waiters[index].since) }
        }
    }

    /// A processor of this node waits for a page.
    var isAnyWaiting: Bool { waiters.contains { $0.page != nil } }

    /// The pages waited for now.
    var pages: [PageNumber] { waiters.compactMap(\.page) + otherPages }
}
