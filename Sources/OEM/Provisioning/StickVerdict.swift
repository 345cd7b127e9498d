public import Contract

/// What became of a stick, as logs and line controllers have it. Each has its own exit status (docs/exit-codes.md).
public enum StickVerdict: String, Sendable, Codable, CaseIterable {
    case written, verified, wiped, updated
    /// A rule of ``SafetyCheck`` forbids it; nothing was touched.
    case refused
    case fakeCapacity = "fake-capacity"
    case writeProtected = "write-protected"
    case tooSmall = "too-small"
    /// Reading or writing failed at some sector.
    case ioError = "io-error"
    /// It returned other bytes than were written.
    case wrongBytes = "wrong-bytes"
    case unplugged
    /// This computer slept meanwhile, and the stick's port with it.
    case slept
    /// It holds something else than it should.
    case differs
    /// Somebody ended the command.
    case interrupted
    /// Anything that is not the stick's fault: image, kit, licence, this computer.
    case failed

    /// The verdict of a command that ended with `status`.
    public init(failure status: ExitStatus) {
        self =
            switch status {
            case .refusedForSafety: .refused
            case .fakeCapacity: .fakeCapacity
            case .writeProtected: .writeProtected
            case .stickTooSmall: .tooSmall
            case .inputOutput: .ioError
            case .wrongBytes: .wrongBytes
            case .stickUnplugged: .unplugged
            case .computerSlept: .slept
            case .stickDiffers: .differs
            default: .failed
            }
    }
}

extension ProvisioningError {
    public var verdict: StickVerdict { StickVerdict(failure: exitStatus) }
}
