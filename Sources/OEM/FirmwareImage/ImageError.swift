public import Contract
internal import BoardSupport

/// Why an image, lock or store operation did not work: what was tried, on what, and what to do next.
public struct ImageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The status a command ends with when it reports this error.
    public let exitStatus: ExitStatus
    public let description: String

    public init(_ exitStatus: ExitStatus, _ description: String) {
        self.exitStatus = exitStatus
        self.description = description
    }
}
