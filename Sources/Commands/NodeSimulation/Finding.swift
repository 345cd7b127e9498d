/// What every run has to keep.
public enum Promise: String, Sendable, CaseIterable {
    case blame = "nobody is blamed who was healthy"
    case word = "nobody waits for ever without a word"
    case corpse = "no machine runs with a corpse"
    case agreement = "survivors agree on the cause"
    case lostMessage = "outages within the budget lose nothing"
    case frequency = "the guest is told the frequency that was measured"
}

/// A promise that a run broke.
public struct Finding: Sendable {
    public let seed: UInt64
    public let promise: Promise
    /// In virtual milliseconds.
    public let milliseconds: UInt64
    public let what: String
    /// What happened in the run, and what each node said last.
    public let story: String
}
