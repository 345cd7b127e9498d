/// How well a node hears another: what `vsmp machine stat` shows of a link before it fails.
package struct PeerFigures: Sendable, Equatable {
    /// Upper ends of the classes of silences, in milliseconds; one class more is for what is longer.
    package static let classes: [UInt64] = [150, 250, 500, 1000, 2000, 5000]

    package var heard: UInt64 = 0
    /// Beats that were sent and never came, as their numbers say.
    package var missing: UInt64 = 0
    /// Beats that came after a later one, or twice.
    package var stale: UInt64 = 0
    /// Silences longer than ``Watch/Timing/late``.
    package var late: UInt64 = 0
    /// Silences longer than half of what is survived.
    package var nearMisses: UInt64 = 0
    /// Nanoseconds.
    package var longestSilence: UInt64 = 0
    /// Of the last echo, and the quickest, in nanoseconds; 0 before the first.
    package var roundTrip: UInt64 = 0
    package var quickestRoundTrip: UInt64 = 0
    /// How often the peer says to have found itself stopped.
    package var stops: UInt64 = 0
    /// How many silences fell into each class.
    package var silences = [UInt64](repeating: 0, count: classes.count + 1)

    package init() {}

    mutating func count(silence: UInt64, outage: UInt64) {
        heard += 1
        longestSilence = max(longestSilence, silence)
        silences[Self.classes.firstIndex { silence <= $0 * 1_000_000 } ?? Self.classes.count] += 1
        if silence > Watch.Timing.late { late += 1 }
        if silence > outage / 2 { nearMisses += 1 }
    }

    mutating func count(roundTrip time: UInt64) {
        roundTrip = time
        quickestRoundTrip = quickestRoundTrip == 0 ? time : min(quickestRoundTrip, time)
    }
}
