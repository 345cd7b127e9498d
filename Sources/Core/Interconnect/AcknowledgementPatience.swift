/// How long frames may stay unacknowledged: TCP alone says nothing when somebody between the nodes leaves out records. Times are nanoseconds of any
/// monotonic clock.
package struct AcknowledgementPatience: Sendable {
    package enum Advice: Sendable, Equatable {
        /// Something new was acknowledged, or nothing was waited for until now.
        case new
        case wait
        /// The other end is to say what it has.
        case ask
        /// The stream is over.
        case over
    }

    /// After which the other end is asked, and after which the stream is over.
    private static let (asksAfter, endsAfter): (UInt64, UInt64) = (250_000_000, 3_000_000_000)

    /// What the other end had acknowledged when it last acknowledged something new, and since when nothing was.
    private var quiet: (acknowledged: UInt64, since: UInt64)?

    package init() {}

    /// Nothing is waited for.
    package mutating func rest() { quiet = nil }

    /// - Parameter acknowledged: frames that the other end has, of those that it was sent.
    package mutating func advice(acknowledged: UInt64, now: UInt64) -> Advice {
        guard let quiet, quiet.acknowledged == acknowledged else {
            quiet = (acknowledged, now)
            return .new
        }
        if now &- quiet.since >= Self.endsAfter { return .over }
        return now &- quiet.since >= Self.asksAfter ? .ask : .wait
    }
}
