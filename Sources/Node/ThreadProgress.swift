import Synchronization

/// How often a thread has come round its loop: it steps, the watchdog reads.
final class ThreadProgress: Sendable {
    private let rounds = Atomic<UInt64>(0)

    func step() { rounds.add(1, ordering: .relaxed) }

    var count: UInt64 { rounds.load(ordering: .relaxed) }
}

/// Finds a thread that no longer comes round its loop.
package struct HangDetector: Sendable {
    /// Nanoseconds in which each thread comes round at least once.
    package static let limit: UInt64 = 10_000_000_000
    /// A look that comes so much later than the one before says nothing of the others: the whole process stood still.
    private static let gap: UInt64 = 3_000_000_000

    private var seen: [String: (count: UInt64, since: UInt64)] = [:]
    private var last: UInt64?

    package init() {}

    /// Call it every second.
    ///
    /// - Parameter counts: rounds by thread; a thread that is new, or not there any more, is none that hangs.
    /// - Returns: the first by name of the threads that hang.
    package mutating func hanging(_ counts: [String: UInt64], now: UInt64) -> String? {
        if let last, now - last > Self.gap { seen = [:] }
        last = now
        var next: [String: (count: UInt64, since: UInt64)] = [:]
        for (name, count) in counts {
            let before = seen[name]
            next[name] = before?.count == count ? before : (count, now)
        }
        seen = next
        return seen.filter { now - $0.value.since > Self.limit }.keys.min()
    }
}
