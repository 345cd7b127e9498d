/// How far one node's guest clock is ahead of the node's counter, as time goes on: never back.
package struct ClockCourse: Sendable, Equatable {
    /// Guest clock minus counter, modulo 2^64, when the counter was `since`.
    package var offset: UInt64
    package var since: UInt64
    /// Ticks that it gains in 2^32 of the counter.
    package var gain: UInt32

    package init(offset: UInt64, since: UInt64, gain: UInt32 = 0) {
        self.offset = offset
        self.since = since
        self.gain = gain
    }

    /// Guest clock minus counter when the counter is `now`.
    package func offset(at now: UInt64) -> UInt64 {
        let elapsed = now &- since
        guard Int64(bitPattern: elapsed) > 0 else { return offset }
        let (high, low) = elapsed.multipliedFullWidth(by: UInt64(gain))
        return offset &+ (high << 32 | low >> 32)
    }

    /// Ticks of the counter in which it gains `ticks`; nil when it gains nothing.
    func ticks(gaining ticks: UInt64) -> UInt64? {
        guard gain > 0 else { return nil }
        let (product, overflow) = ticks.multipliedReportingOverflow(by: 1 << 32)
        return overflow ? .max : product / UInt64(gain)
    }
}

/// What node 0 says of the guest clock with each answer: how much it has gained on its counter since the plan, and gains in 2^32 ticks.
package struct ClockLead: Sendable, Equatable {
    package var gained: UInt64
    package var gain: UInt32

    package init(gained: UInt64 = 0, gain: UInt32 = 0) {
        self.gained = gained
        self.gain = gain
    }
}
