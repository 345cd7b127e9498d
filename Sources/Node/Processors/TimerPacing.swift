import Synchronization

/// Keeps a processor from spending its time in timer interrupts whose handler waits for other nodes' pages.
///
/// Linux ticks 250 times a second on every processor, and a tick reads pages that another node's tick writes. Where a
/// page takes milliseconds, ticks would follow each other without end and disturb the writer as often. Hardware may
/// deliver a timer interrupt late; so the next one waits until the last one's stalls are a small part of the time.
///
/// What an interrupt sets off (soft interrupts, a woken thread) runs on after its handler has returned. So a stall counts
/// for the interrupt as long as the processor has stalled longer than it has run since: most programs run more than
/// they wait for pages.
///
/// The processor's thread delivers; the coherence loop adds the stalls.
final class TimerPacing: Sendable {
    /// Time between two timer interrupts is at least this many times the stalls that the first one brought.
    static let share: UInt64 = 12
    /// No timer interrupt is delayed to more than this after the one before, in nanoseconds: threads that share the
    /// processor wait for it, and so does RCU.
    static let limit: UInt64 = 4_000_000_000
    /// A stall counts for an interrupt at least this long after it, in nanoseconds of the processor's run time.
    static let handler: UInt64 = 2_000_000

    private let deliveredAt = Atomic<UInt64>(0)
    private let stalls = Atomic<UInt64>(0)
    private let isFollowing = Atomic<Bool>(false)

    /// The processor takes a timer interrupt.
    func delivered(now: UInt64) {
        deliveredAt.store(now, ordering: .relaxed)
        stalls.store(0, ordering: .relaxed)
        isFollowing.store(true, ordering: .sequentiallyConsistent)
    }

    /// The processor waited for a page of another node.
    func stalled(since: UInt64, until now: UInt64) {
        guard isFollowing.load(ordering: .sequentiallyConsistent) else { return }
        let before = stalls.load(ordering: .relaxed)
        let ran = Int64(bitPattern: since &- deliveredAt.load(ordering: .relaxed) &- before)
        guard ran < before &+ Self.handler else { return rested() }
        stalls.store(before &+ (now &- since), ordering: .relaxed)
    }

    /// The processor sleeps: what it does when it wakes is another matter.
    func rested() { isFollowing.store(false, ordering: .sequentiallyConsistent) }

    /// No timer interrupt is delivered before this time (CLOCK_MONOTONIC, ns).
    var earliest: UInt64 {
        deliveredAt.load(ordering: .relaxed)
            &+ min(stalls.load(ordering: .relaxed) &* Self.share, Self.limit)
    }
}
