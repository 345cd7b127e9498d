public import Contract
public import USB

/// What became of one stick, and who did it when with what. Nothing in it is secret.
public struct FactoryEntry: Sendable, Equatable, Codable {
    public struct Who: Sendable, Equatable, Codable {
        public var user: String
        public var uid: UInt32
        /// Who called sudo(8), as it says.
        public var sudoUser: String?
        public var host: String
        /// The station file's name of the place.
        public var station: String?
    }

    public struct Time: Sendable, Equatable, Codable {
        /// UTC, as `2027-01-31T12:00:00Z`.
        public var begun: String
        public var ended: String
        /// By a clock that nobody sets.
        public var milliseconds: Int

        public init(begun: String, ended: String, milliseconds: Int) { (self.begun, self.ended, self.milliseconds) = (begun, ended, milliseconds) }
    }

    public struct Image: Sendable, Equatable, Codable {
        public var name: String
        /// Of the whole image, unpacked.
        public var sha256: String
        public var firmware: FirmwareHash
        public var version: UInt32
        public var brand: String
        public var board: String
    }

    public struct Kit: Sendable, Equatable, Codable {
        /// Its name, which is no secret.
        public var id: String
        public var node: NodeIndex
        public var nodes: Int
    }

    public struct Stick: Sendable, Equatable, Codable {
        /// As it was named on the command line.
        public var target: String
        /// The disk's own name, such as `/dev/sdb`.
        public var disk: String?
        public var port: USBDevice.Port?
        /// The station file's name of the port.
        public var slot: String?
        /// `VVVV:PPPP`.
        public var identifier: String?
        public var serial: String?
        /// Bytes.
        public var size: Int?
        public var model: String?
    }

    public var who: Who
    public var time: Time
    /// As in `usb write`: the word behind `usb`.
    public var command: String
    /// Nil for a command without one, and where it cannot be read.
    public var image: Image?
    public var kit: Kit?
    public var stick: Stick
    public var verdict: StickVerdict
    /// What the command said of a failure.
    public var message: String?
    /// How many bytes were written and read back, and their SHA-256 in the order of the stick.
    public var bytes: Int?
    public var sha256: String?

    /// - Parameters:
    ///   - message: nil where there is nothing to say beside the verdict.
    ///   - bytes: nil where nothing was verified, and so `sha256`.
    public init(
        who: Who, time: Time, command: String, image: Image?, kit: Kit?, stick: Stick, verdict: StickVerdict, message: String? = nil, bytes: Int? = nil,
        sha256: String? = nil
    ) {
        (self.who, self.time, self.command, self.image, self.kit, self.stick, self.verdict) = (who, time, command, image, kit, stick, verdict)
        (self.message, self.bytes, self.sha256) = (message, bytes, sha256)
    }

    /// With texts of foreign origin short enough for a line.
    var bounded: FactoryEntry {
        func short(_ text: String, _ limit: Int) -> String { text.utf8.count <= limit ? text : String(text.prefix(limit / 4)) + "..." }
        var entry = self
        entry.message = message.map { short($0, 8192) }
        entry.stick.target = short(stick.target, 4096)
        entry.stick.serial = stick.serial.map { short($0, 256) }
        entry.stick.model = stick.model.map { short($0, 256) }
        entry.image?.name = short(image?.name ?? "", 4096)
        return entry
    }
}
