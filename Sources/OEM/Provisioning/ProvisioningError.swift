public import Contract
internal import BoardSupport
internal import Disk

/// Why a stick could not be listed, personalised or written.
public enum ProvisioningError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Writing would have destroyed something; every reason found, not only the first.
    case refused([Refusal])
    /// Anything else: the exit status and a sentence saying what was tried, on what, and what to do.
    case failed(ExitStatus, String)

    public var exitStatus: ExitStatus {
        switch self {
        // A lock that a person can open is told apart from what must not be written.
        case .refused(let refusals): refusals.allSatisfy { $0.rule == .readOnly } ? .writeProtected : .refusedForSafety
        case .failed(let status, _): status
        }
    }

    public var description: String {
        switch self {
        case .refused(let refusals): refusals.map(\.description).joined(separator: "\n")
        case .failed(_, let message): message
        }
    }
}

extension ProvisioningError {
    init(_ error: DiskError) {
        guard let path = error.pathInUse else {
            self = .failed(error.exitStatus, error.description)
            return
        }
        self = .refused([
            Refusal(
                .inUse, subject: path, why: "the kernel or another program is using it", action: "unmount it and close programs that use it (lsof \(path))")
        ])
    }
}

/// Gives what a store or file system reports as this room's error.
func onDisk<Value: ~Copyable>(_ body: () throws(DiskError) -> Value) throws(ProvisioningError) -> Value {
    do throws(DiskError) { return try body() } catch { throw ProvisioningError(error) }
}

/// One reason not to write: what is in the way, why, and what to do about it.
public struct Refusal: Sendable, Equatable, Codable, CustomStringConvertible {
    public enum Rule: String, Sendable, Codable, CaseIterable {
        case notWholeDisk = "not-whole-disk"
        case notRemovable = "not-removable"
        case notUSB = "not-usb"
        /// Port or maker is not one of those that the user or the station allows.
        case notAllowed = "not-allowed"
        /// libusb and the kernel do not agree about what is there.
        case unclear
        case readOnly = "read-only"
        case noMedium = "no-medium"
        case sectorSize = "sector-size"
        case mounted
        case swap
        /// An active or inactive member of LVM, RAID or LUKS.
        case member
        case rootDisk = "root-disk"
        case imageDisk = "image-disk"
        case changed
        /// The kernel or another program holds the device.
        case inUse = "in-use"
        case notAStick = "not-a-stick"
        /// A station does not write over a kit's finished stick.
        case holdsKit = "holds-kit"
    }

    public var rule: Rule
    public var subject: String
    public var why: String
    public var action: String

    public init(_ rule: Rule, subject: String, why: String, action: String) {
        self.rule = rule
        self.subject = subject
        self.why = why
        self.action = action
    }

    public var description: String { "refusing to write \(subject): \(why); \(action)" }
}
