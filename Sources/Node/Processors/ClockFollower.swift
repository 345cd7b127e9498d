import Interconnect

/// Keeps one node's guest clock at node 0's, which is what node 0's counter and its lead say. A guest clock never goes back, so a node whose counter is
/// the slower one gains ticks, and one whose counter is the faster one asks node 0 to gain them: all follow the fastest counter.
///
/// What is corrected: the difference of the two counters' speeds, once the exchanges leave no doubt that there is one, at once and for good; and
/// what the guest clock is off beside that, when it is more than a part of the quickest round trip, within a quarter of a second.
struct ClockFollower: Sendable {
    /// Ticks gained for each tick, at most: what crystals differ by, and as much again to catch up.
    static let largestGain = 1000e-6
    /// Part of the quickest round trip that is let be. The clock is known to half a round trip, in the worst case, and a message takes half of one.
    private static let slack: Int64 = 16
    /// Ticks of a second; what is off is worked off within a quarter of one.
    private let second: Double
    private var isCorrecting = true

    /// - Parameter kilohertz: of the counter.
    init(kilohertz: UInt64) { second = Double(kilohertz) * 1000 }

    /// - Parameters:
    ///   - origin: node 0's counter at guest time zero.
    ///   - answered: node 0's counter when it said `lead`.
    ///   - course: as it is.
    /// - Returns: the course from `now` on, and what node 0 has to gain for this node, in 2^32 of its ticks.
    mutating func steer(
        _ course: ClockCourse, at now: UInt64, origin: UInt64, relation: CounterRelation.Estimate, lead: ClockLead, answered: UInt64
    ) -> (course: ClockCourse, wish: UInt32) {
        var next = ClockCourse(offset: course.offset(at: now), since: now)
        let behind = Int64(bitPattern: Self.target(at: now, origin: origin, relation: relation, lead: lead, answered: answered) &- next.offset)
        let slack = max(relation.minimumRoundTrip / Self.slack, 1)
        isCorrecting = behind.magnitude > UInt64(isCorrecting ? slack / 4 : slack)
        if Double(behind) > 0.01 * second {
            // Not a crystal: a counter was set. Nobody waits for minutes.
            next.offset &+= UInt64(behind)
            isCorrecting = false
        }
        // While the clock is off for certain, so is its speed: the likeliest one counts once it is known to about what crystals differ by.
        let isKnown = !relation.gain.contains(0) || isCorrecting && relation.gainBound < 100e-6
        var own = isKnown ? (relation.gain.lowerBound + relation.gain.upperBound) / 2 : 0
        if isCorrecting { own += Double(behind) / (second / 4) }
        next.gain = Self.fixed(own + Self.fraction(lead.gain))
        return (next, Self.fixed(-own))
    }

    /// What this node's guest clock minus its counter has to be.
    static func target(at now: UInt64, origin: UInt64, relation: CounterRelation.Estimate, lead: ClockLead, answered: UInt64) -> UInt64 {
        let remote = now &+ UInt64(bitPattern: relation.offset)
        let led = ClockCourse(offset: lead.gained, since: answered, gain: lead.gain).offset(at: remote)
        return 0 &- origin &+ UInt64(bitPattern: relation.offset) &+ led
    }

    private static func fixed(_ gain: Double) -> UInt32 { UInt32(min(max(gain, 0), largestGain) * 0x1p32) }
    private static func fraction(_ gain: UInt32) -> Double { Double(gain) / 0x1p32 }
}
