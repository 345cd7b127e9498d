/// How a remote counter runs against the local one: how far it is ahead, and how much it gains, from exchanges of time stamps.
///
/// Every exchange says two things that are certain: when the ping left the remote counter had not yet the value with which it arrived, and when
/// the pong came the remote counter had passed the value with which it left (D. L. Mills, RFC 5905, section 8; K. Marzullo, 1984). The difference
/// of two crystals' counters is a straight line over seconds, so a pair of exchanges confines its slope, too: to the sum of their round trips,
/// divided by the time between them (S. Moon, P. Skelly and D. Towsley, "Estimation and removal of clock skew from network delay measurements",
/// INFOCOM 1999). Units are ticks of the local counter; the two may count at any speed.
package struct CounterRelation: Sendable {
    package struct Estimate: Sendable, Equatable {
        /// Remote counter minus local counter, modulo 2^64, at the time asked for.
        package let offset: Int64
        /// The true offset differs from `offset` by at most this, if both counters ran evenly meanwhile.
        package let errorBound: Int64
        /// The same where the counters run at the gain in the middle of ``gain``: no more than half of ``minimumRoundTrip``, but for what they drift apart in it.
        package let spread: Int64
        /// The quickest round trip remembered, the remote node's own time taken out.
        package let minimumRoundTrip: Int64
        /// How many ticks the remote counter gains in one tick of the local one: the true value lies within. Infinite until two exchanges tell.
        package let gain: ClosedRange<Double>

        /// Half of what is uncertain of `gain`.
        package var gainBound: Double { (gain.upperBound - gain.lowerBound) / 2 }
    }

    /// What one exchange says of the difference remote minus local: at most `upper` at `sent`, at least `lower` at `came`.
    private struct Exchange: Sendable {
        var sent: UInt64
        var came: UInt64
        var upper: Int64
        var lower: Int64

        var width: Int64 { upper &- lower }
    }

    /// Exchanges that are remembered: the quickest of each stretch of time.
    private static let limit = 32
    /// Counters that are meant to be equal gain no more; until the slope is measured the difference is carried on with this.
    private static let assumedGain = -0.001...0.001

    /// Ticks after which a stretch of time is as long as it gets. With 32 of half a second a crystal's own wandering (some 0.01 millionths a second)
    /// bends the line by a microsecond.
    package var longestStretch: UInt64
    /// log2 of the ticks of a stretch now: it begins short and doubles when the memory is full, so that the first moments are seen finely.
    private var shift: UInt64 = 10
    private var exchanges: [Exchange] = []
    /// What every pair of exchanges allows for the slope.
    private var least = -Double.infinity
    private var most = Double.infinity

    /// - Parameter longestStretch: ticks; half a second of them.
    package init(longestStretch: UInt64 = 1 << 30) {
        self.longestStretch = longestStretch
        exchanges.reserveCapacity(Self.limit + 1)
    }

    /// Takes one exchange: t0 ping sent (local), t1 ping received (remote), t2 pong sent (remote), t3 pong received (local). One that
    /// contradicts itself (time backwards at one end) or is older than what is known is ignored.
    /// - Returns: whether it was used.
    @discardableResult
    package mutating func add(t0: UInt64, t1: UInt64, t2: UInt64, t3: UInt64) -> Bool {
        let exchange = Exchange(sent: t0, came: t3, upper: Int64(bitPattern: t1 &- t0), lower: Int64(bitPattern: t2 &- t3))
        guard Int64(bitPattern: t3 &- t0) >= 0, Int64(bitPattern: t2 &- t1) >= 0, exchange.width >= 0 else { return false }
        if let last = exchanges.last {
            guard t3 > last.came else { return false }
            if t0 >> shift != last.sent >> shift {
                exchanges.append(exchange)
            } else if exchange.width <= last.width {
                exchanges[exchanges.count - 1] = exchange
            }
        } else {
            exchanges.append(exchange)
        }
        confine(by: exchanges.count - 1)
        if exchanges.count > Self.limit { forget() }
        // No line fits: a counter was set, or a crystal has wandered. What is older says nothing of now.
        while exchanges.count > 1, least > most {
            exchanges.removeFirst(max(1, exchanges.count / 2))
            confineAnew()
        }
        return true
    }

    private mutating func forget() {
        defer { confineAnew() }
        guard 1 << shift < longestStretch else {
            exchanges.removeFirst()
            return
        }
        while exchanges.count > Self.limit {
            shift += 1
            var kept: [Exchange] = []
            for exchange in exchanges {
                if let last = kept.last, last.sent >> shift == exchange.sent >> shift {
                    if exchange.width <= last.width { kept[kept.count - 1] = exchange }
                } else {
                    kept.append(exchange)
                }
            }
            exchanges = kept
        }
    }

    /// Ticks from one moment to a later one, negative to an earlier one.
    private static func ticks(_ from: UInt64, _ to: UInt64) -> Double { Double(Int64(bitPattern: to &- from)) }

    /// Confines the slope by the pairs of exchange `index` with those before it.
    private mutating func confine(by index: Int) {
        let later = exchanges[index]
        for earlier in exchanges[..<index] {
            let (inner, outer) = (Self.ticks(earlier.came, later.sent), Self.ticks(earlier.sent, later.came))
            if inner > 0 { most = min(most, Double(later.upper &- earlier.lower) / inner) }
            if outer > 0 { least = max(least, Double(later.lower &- earlier.upper) / outer) }
        }
    }

    /// The same by all pairs of what is remembered.
    private mutating func confineAnew() {
        (least, most) = (-Double.infinity, Double.infinity)
        for index in exchanges.indices { confine(by: index) }
    }

    /// The best that is known of the relation at local time `now`; nil before the first exchange.
    package func estimate(at now: UInt64) -> Estimate? {
        guard let newest = exchanges.last else { return nil }
        let gain = least...max(least, most)
        let carried = gain.overlaps(Self.assumedGain) ? gain.clamped(to: Self.assumedGain) : gain
        // Differences are taken from one value, so that they stay small.
        let origin = newest.lower
        func carry(_ gain: ClosedRange<Double>) -> (lower: Double, upper: Double) {
            var (lower, upper) = (-Double.infinity, Double.infinity)
            for exchange in exchanges {
                upper = min(upper, Double(exchange.upper &- origin) + gain.upperBound * max(0, Self.ticks(exchange.sent, now)))
                lower = max(lower, Double(exchange.lower &- origin) + gain.lowerBound * max(0, Self.ticks(exchange.came, now)))
            }
            return (lower, upper)
        }
        // What is certain, and what is likely: all exchanges on the line of the middle slope.
        var certain = carry(carried)
        if certain.lower > certain.upper { certain = (0, Double(newest.width)) }
        let slopeInTheMiddle = (carried.lowerBound + carried.upperBound) / 2
        let likely = carry(slopeInTheMiddle...slopeInTheMiddle)
        let middle = likely.lower <= likely.upper ? (likely.lower + likely.upper) / 2 : (certain.lower + certain.upper) / 2
        let half = max(certain.upper - middle, middle - certain.lower)
        let spread = likely.lower <= likely.upper ? (likely.upper - likely.lower) / 2 : half
        let quickest = exchanges.reduce(Int64.max) { min($0, $1.width) }
        guard abs(middle) < 0x1p62, half < 0x1p62 else { return nil }
        return Estimate(
            offset: origin &+ Int64(middle.rounded()), errorBound: Int64(half.rounded(.up)) + 1, spread: Int64(spread.rounded(.up)),
            minimumRoundTrip: quickest, gain: gain)
    }
}
