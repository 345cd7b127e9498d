/// Keeps a processor from spending its time in timer interrupts whose handler waits for other nodes' pages.
///
/// Linux ticks 250 times a second on every processor, and a tick reads pages that another node's tick writes. Where a
/// page takes milliseconds, ticks would follow each other without end and disturb the writer as often. Hardware may
/// deliver a timer interrupt late; so the next one waits until the last one's stalls are a small part of the time.
struct TimerPacing {
    /// Time between two timer interrupts is at least this many times the stalls in the first one's handler.
    static let share: UInt64 = 8
    /// No timer interrupt is delayed to more than this after the one before, in nanoseconds.
    static let limit: UInt64 = 200_000_000

    private var deliveredAt: UInt64 = 0
    private var stallsAtDelivery: UInt64 = 0
    private var isInHandler = false
    private(set) var earliest: UInt64 = 0

    /// A timer interrupt became pending.
    mutating func delivered(now: UInt64, stalled: UInt64) {
        deliveredAt = now
        stallsAtDelivery = stalled
        isInHandler = true
    }

    /// The guest programs the timer again, the last thing its handler does.
    mutating func programmed(stalled: UInt64) {
        guard isInHandler else { return }
        isInHandler = false
        earliest = deliveredAt &+ min((stalled &- stallsAtDelivery) &* Self.share, Self.limit)
    }
}
