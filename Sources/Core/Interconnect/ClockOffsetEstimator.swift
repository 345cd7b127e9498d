/// How far a remote clock is ahead of the local one, from ping/pong exchanges.
///
/// Every exchange confines the offset to an interval: the pong cannot have left after it arrived, nor the ping have
/// arrived before it left (D. L. Mills, RFC 5905 section 8; K. Marzullo, 1984, for intersecting such intervals). Its width is
/// the round trip, so quick exchanges decide. Units are the caller's (nanoseconds or TSC ticks), the same at both ends.
package struct ClockOffsetEstimator: Sendable {
    package static let window = 64

    package struct Estimate: Sendable, Equatable {
        /// Remote clock minus local clock.
        package let offset: Int64
        /// The true offset differs from `offset` by at most this, if neither clock drifted within the window.
        package let errorBound: Int64
        /// The quickest round trip in the window, the remote node's own time taken out.
        package let minimumRoundTrip: Int64
    }

    private struct Bounds: Sendable {
        var lower: Int64
        var upper: Int64
    }

    private var samples = InlineArray<64, Bounds>(repeating: Bounds(lower: 0, upper: 0))
    private var next = 0
    package private(set) var sampleCount = 0

    package init() {}

    /// Adds one exchange: t0 ping sent (local), t1 ping received (remote), t2 pong sent (remote), t3 pong received (local).
    /// An exchange that contradicts itself (time backwards at one end, or more time remotely than in all) is ignored.
    /// - Returns: whether it was used.
    @discardableResult
    package mutating func add(t0: UInt64, t1: UInt64, t2: UInt64, t3: UInt64) -> Bool {
        let whole = Int64(bitPattern: t3 &- t0)
        let remote = Int64(bitPattern: t2 &- t1)
        guard whole >= 0, remote >= 0, remote <= whole else { return false }
        let bounds = Bounds(lower: Int64(bitPattern: t2 &- t3), upper: Int64(bitPattern: t1 &- t0))
        guard !bounds.upper.subtractingReportingOverflow(bounds.lower).overflow else { return false }
        samples[next] = bounds
        next = (next + 1) % Self.window
        sampleCount = min(sampleCount + 1, Self.window)
        return true
    }

    /// The best estimate the window allows; nil before the first exchange.
    package var estimate: Estimate? {
        guard sampleCount > 0 else { return nil }
        var best = samples[0]
        var lower = Int64.min
        var upper = Int64.max
        for index in 0..<sampleCount {
            let sample = samples[index]
            if sample.upper - sample.lower < best.upper - best.lower { best = sample }
            lower = max(lower, sample.lower)
            upper = min(upper, sample.upper)
        }
        let minimum = best.upper - best.lower
        // An empty intersection means that a clock moved within the window: then only single exchanges hold.
        if lower > upper { (lower, upper) = (best.lower, best.upper) }
        let width = upper - lower
        return Estimate(offset: lower + width / 2, errorBound: (width + 1) / 2, minimumRoundTrip: minimum)
    }
}
