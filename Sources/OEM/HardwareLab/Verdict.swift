public import Contract
internal import BoardSupport

/// How a run ended.
public struct Verdict: Equatable, Sendable {
    public enum Kind: String, Codable, Sendable {
        case pass = "PASS"
        /// The guest or the firmware did not do what it promises.
        case fail = "FAIL"
        /// The lab's own equipment failed; the firmware was not judged.
        case infrastructure = "INFRASTRUCTURE"
    }

    public var kind: Kind
    /// The exit status of the command: the guest's own verdict (0 to 63), or an ``ExitStatus``.
    public var status: Int32
    public var reason: String

    public init(_ kind: Kind, status: Int32, _ reason: String) {
        self.kind = kind
        self.status = status
        self.reason = reason
    }

    public init(_ kind: Kind, _ status: ExitStatus, _ reason: String) {
        self.init(kind, status: status.rawValue, reason)
    }

    /// The verdict of a guest that printed `VSMP-EXIT code`. Codes above 63 would collide with ``ExitStatus`` and
    /// count as ``ExitStatus/guestFailed``.
    public init(guestExit code: Int) {
        switch code {
        case 0: self.init(.pass, .success, "the guest reported success")
        case 1...63: self.init(.fail, status: Int32(code), "the guest reported failure \(code)")
        default: self.init(.fail, .guestFailed, "the guest reported \(code), which is outside 0 to 63")
        }
    }
}
