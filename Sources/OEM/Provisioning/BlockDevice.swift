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

        public init(size: Int, serial: String?) {
            self.size = size
            self.serial = serial
        }

        /// `size:serial`, or `size:` without a serial number.
        public var description: String { "\(size):\(serial ?? "")" }
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
    public var isUSB: Bool
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
    public var identity: Identity { Identity(size: size, serial: serial) }
}
