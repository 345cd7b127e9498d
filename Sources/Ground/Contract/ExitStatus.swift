/// What a process of this SDK says by its exit status. The same number means the same thing in every command
/// (docs/exit-codes.md). 64 to 77 follow sysexits(3); 80 and above are this SDK's own.
public enum ExitStatus: Int32, Sendable, CaseIterable {
    case success = 0
    case usage = 64
    case badInput = 65
    case missingInput = 66
    case unavailable = 69
    case internalError = 70
    case cannotCreate = 73
    case inputOutput = 74
    case refusedForSafety = 77
    case nodeLost = 80
    case peerRefused = 81
    case timeout = 82
    case guestFailed = 83
    case hardwareMismatch = 84
    case licenceRefused = 85
    case tooLarge = 86
    case sourceMissing = 87
    case blobMissing = 88
    case imageTooOld = 89
    case guestReboot = 90
    case otherFirmware = 91
    case fakeCapacity = 92
    case writeProtected = 93
    case stickTooSmall = 94
    case stickUnplugged = 95
    case wrongBytes = 96
    case stickDiffers = 97
    case clocksDiffer = 98
    case notEnoughMemory = 99
    case computerSlept = 100
}
