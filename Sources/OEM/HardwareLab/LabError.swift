public import Contract
internal import BoardSupport

/// Trouble of the lab itself: what was tried, on what, and what to do. It is never a statement about the firmware
/// under test.
public struct LabError: Error, Equatable, Sendable, CustomStringConvertible {
    public var status: ExitStatus
    public var description: String

    public init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
