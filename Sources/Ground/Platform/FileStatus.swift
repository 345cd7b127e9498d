internal import Glibc

/// What stat(2) says about a path.
package struct FileStatus: Equatable, Sendable {
    package var kind: FileKind
    /// Bytes; 0 for a device.
    package var size: Int
    /// Bytes that its blocks take on the medium.
    package var allocated: Int
    /// `major:minor` of the file system, and of the device itself when it is one.
    package var fileSystem: String
    package var device: String
    package var inode: UInt64

    /// nil when there is nothing at `path`, links followed.
    package init?(_ path: String) {
        var status = stat()
        // SAFETY: the string lives until the call returns, and stat only writes into `status`.
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    /// nil when `descriptor` is not open.
    package init?(of descriptor: Int32) {
        var status = stat()
        // SAFETY: fstat only writes into `status`.
        guard unsafe fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        kind = FileKind(mode: status.st_mode)
        size = Int(status.st_size)
        allocated = Int(status.st_blocks) * 512
        fileSystem = Self.text(status.st_dev)
        device = Self.text(status.st_rdev)
        inode = UInt64(status.st_ino)
    }

    /// glibc's encoding of device numbers (bits/sysmacros.h), whose macros Swift does not import.
    private static func text(_ number: dev_t) -> String {
        let value = UInt64(number)
        let major = (value >> 8 & 0xFFF) | (value >> 32 & 0xFFFF_F000)
        let minor = (value & 0xFF) | (value >> 12 & 0xFFFF_FF00)
        return "\(major):\(minor)"
    }
}
