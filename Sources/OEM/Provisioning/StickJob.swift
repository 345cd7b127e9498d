public import Contract
public import USB

/// One stick that is to be written.
public struct StickJob: Sendable {
    /// A plain file, made or replaced (only if it was a stick's image before), or a whole removable disk.
    public var target: String
    /// Nil leaves the configuration partition as the image has it; such a stick joins no machine.
    public var personalisation: StickPersonalisation?
    /// The disk's identity when it was listed.
    public var expected: BlockDevice.Identity?

    public init(_ target: String, personalisation: StickPersonalisation? = nil, expected: BlockDevice.Identity? = nil) {
        self.target = target
        self.personalisation = personalisation
        self.expected = expected
    }
}

/// What writing a stick will do.
public struct StickPlan: Sendable, Equatable, Codable {
    public enum Kind: String, Sendable, Codable {
        case newFile = "new-file"
        /// A stick's image is replaced.
        case file
        case disk
    }

    public var target: String
    public var kind: Kind
    /// Of a disk.
    public var model: String?
    public var serial: String?
    public var port: USBDevice.Port?
    /// At which it is connected.
    public var speed: USBDevice.Speed?
    public var image: String
    /// Bytes of the stick, and of its configuration partition.
    public var bytes: Int
    public var configurationBytes: Int
    public var kit: String?
    public var node: NodeIndex?
    /// Names of the partitions that are lost.
    public var replaced: [String]
}

/// How far writing has come.
public struct StickProgress: Sendable, Equatable, Codable {
    public enum Phase: String, Sendable, Codable {
        /// Looking whether the stick holds what it claims.
        case probing
        case writing, verifying
    }

    public var phase: Phase
    public var bytesDone: Int
    public var bytesTotal: Int
}

/// What was written and read back.
public struct StickReport: Sendable, Equatable, Codable {
    public var target: String
    public var image: String
    /// Bytes that are used, written and compared.
    public var bytes: Int
    /// SHA-256 of the stick from its first byte to the image's end and of the backup of its partition table, in hexadecimal digits; what is not used
    /// counts as zeros. Of a plain file that is the file's own.
    public var sha256: String
    public var kit: String?
    public var node: NodeIndex?
}

/// What became of one of several sticks.
public struct StickOutcome: Sendable {
    public var target: String
    public var result: Result<StickReport, ProvisioningError>
}
