/// A policy of the engine: it reads what the engine tells it of pages and faults, and advises. It changes speed, never correctness.
protocol Policy: ~Copyable {
    static var description: PolicyDescription { get }

    init(_ context: PolicyContext)

    /// The same state, with tables of its own.
    borrowing func copy() -> Self

    /// Bytes of its tables.
    var byteCount: Int { get }
}

extension Policy where Self: BitwiseCopyable {
    func copy() -> Self { self }
    var byteCount: Int { 0 }
}

/// What policies are made from.
struct PolicyContext: Sendable {
    /// Those that are on.
    var policies: PolicySet
    /// Processors and devices that may wait for a page at once.
    let processors: Int
    /// `EngineConfiguration.cacheLimit`
    let cacheLimit: Int
    /// `EngineConfiguration.pageTime`
    let pageTime: UInt64
}

/// What people are told of a policy.
public struct PolicyDescription: Sendable {
    /// The set of this policy alone.
    public let policy: PolicySet
    public let name: String
    /// What it does, in a few words.
    public let summary: String
    /// The counters of a node's report that show it at work.
    public let counters: [String]
    /// On where neither board nor stick says anything.
    public let isOnByDefault: Bool

    init(_ policy: PolicySet, _ name: String, _ summary: String, counters: [String], isOnByDefault: Bool = true) {
        self.policy = policy
        self.name = name
        self.summary = summary
        self.counters = counters
        self.isOnByDefault = isOnByDefault
    }
}
