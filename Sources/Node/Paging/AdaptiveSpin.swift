/// Whether the loop should look again and again for the page that a processor waits for instead of sleeping: a sleep costs
/// a wake-up, often more than the page takes to come.
///
/// Source: A. Karlin, K. Li, M. Manasse, S. Owicki, "Empirical Studies of Competitive Spinning for a Shared-Memory
/// Multiprocessor", SOSP 1991: spin for at most about what blocking costs, and not at all while waits have been long.
struct AdaptiveSpin {
    /// Longest spin, in nanoseconds.
    static let limit: UInt64 = 250_000
    /// A wait counts as no longer than this, so that one long wait is soon forgotten.
    private static let longest: UInt64 = limit * 4

    /// Mean of recent waits, each weighing an eighth.
    private var mean = longest

    var isWorthwhile: Bool { mean < Self.limit }

    mutating func waited(_ nanoseconds: UInt64) {
        mean = mean - mean / 8 + min(nanoseconds, Self.longest) / 8
    }
}
