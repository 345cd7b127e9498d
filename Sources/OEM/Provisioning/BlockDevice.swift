public import USB

/// A whole disk as the kernel describes it.
public struct BlockDevice: Sendable, Equatable, Codable {
    public struct Partition: Sendable, Equatable, Codable {
        /// Kernel name such as `sdb1`.
        public var name: String
        /// `major:minor`.
        public var number: String
        /// First byte on the disk, and number of bytes.
        public var offset: Int
        public var size: Int
    }

    public struct Mount: Sendable, Equatable, Codable {
        public var device: String
        public var place: String
    }

    /// Something built on this disk, such as a logical volume.
    public struct Holder: Sendable, Equatable, Codable {
        /// Kernel name of the part of this disk that is held, and of what holds it.
        public var part: String
        public var holder: String
        /// `LVM`, `RAID`, `LUKS` or `device mapper`.
        public var kind: String
    }

    /// What makes a disk recognisable: it must be the same when listed and when opened.
    public struct Identity: Sendable, Equatable, Codable, CustomStringConvertible {
        /// Bytes.
        public var size: Int
        public var serial: String?
        /// Where it is plugged in: sticks of one batch may all have the same serial number.
        public var port: USBDevice.Port?

        public init(size: Int, serial: String?, port: USBDevice.Port? = nil) {
            self.size = size
            self.serial = serial
            self.port = port
        }

        /// From `SIZE:SERIAL` or `SIZE:SERIAL@PORT`.
        public init?(_ text: String) {
            var words = text[...]
            var port: USBDevice.Port?
            if let at = words.lastIndex(of: "@"), let last = USBDevice.Port(words[words.index(after: at)...]) {
                port = last
                words = words[..<at]
            }
            let parts = words.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let size = Int(parts[0]), size > 0 else { return nil }
            self.init(size: size, serial: parts[1].isEmpty ? nil : String(parts[1]), port: port)
        }

        /// `SIZE:SERIAL@PORT`, without what is not known.
        public var description: String { "\(size):\(serial ?? "")" + (port.map { "@\($0)" } ?? "") }

        /// Whether `other` may be the same disk, as far as this one is known.
        public func agrees(with other: Identity) -> Bool { size == other.size && serial == other.serial && (port == nil || port == other.port) }
    }

    /// Kernel name such as `sdb`; the device is `/dev/` plus it.
    public var name: String
    /// `major:minor`.
    public var number: String
    /// Bytes; 0 without a medium.
    public var size: Int
    public var serial: String?
    public var model: String?
    public var isRemovable: Bool
    public var isReadOnly: Bool
    /// The USB port it is behind, as sysfs has it.
    public var port: USBDevice.Port?
    /// Bytes of a logical sector.
    public var sectorSize: Int
    public var partitions: [Partition]
    public var mounts: [Mount]
    /// Names of the parts of this disk that are swap.
    public var swap: [String]
    public var holders: [Holder]
    /// Signatures of inactive members found on the disk, such as `LUKS on sdb1`.
    public var signatures: [String]
    public var holdsRoot: Bool

    public var path: String { "/dev/" + name }
    public var identity: Identity { Identity(size: size, serial: serial, port: port) }
}
