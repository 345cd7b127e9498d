/// A seeded bug: one small change to the engine's source that breaks a promise.
public struct Mutant: Sendable {
    public let name: String
    /// In `Sources/Core/Coherence`.
    public let file: String
    /// Text that occurs there exactly once.
    public let old: String
    public let new: String
    public let breaks: String

    init(_ name: String, in file: String, _ old: String, _ new: String, breaks: String) {
        self.name = name
        self.file = file
        self.old = old
        self.new = new
        self.breaks = breaks
    }
}
