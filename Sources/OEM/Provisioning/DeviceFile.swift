internal import Platform
import Contract
internal import BoardSupport
internal import Glibc

/// An open file or block device, read and written at positions; closes itself.
///
/// SAFETY: `buffer` has `Self.chunk` bytes at 4096-byte alignment, lives until `deinit`, and is used only inside one
/// call at a time (the type cannot be copied or shared). Counts handed to the kernel never exceed it.
@safe package struct DeviceFile: ~Copyable {
    /// Largest transfer in bytes.
    package static let chunk = 4 << 20

    private let descriptor: Int32
    private let path: String
    private let buffer: UnsafeMutableRawPointer

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
        unsafe buffer = UnsafeMutableRawPointer.allocate(byteCount: Self.chunk, alignment: 4096)
    }

    deinit {
        unsafe buffer.deallocate()
        close(descriptor)
    }

    /// Opens for reading.
    ///
    /// - Parameter direct: ask for the medium itself instead of the page cache, where the file system can do that.
    package init(reading path: String, direct: Bool) throws(ProvisioningError) {
        var descriptor: Int32 = -1
        if direct { descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | Self.directFlag) }
        if descriptor < 0 { descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else {
            throw .failed(.missingInput, "cannot read \(path): \(errorText(errno))")
        }
        self.init(descriptor: descriptor, path: path)
        if direct { posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) }
    }

    /// Opens a block device for writing; fails while the kernel or another exclusive user holds it.
    package init(writingDevice path: String) throws(ProvisioningError) {
        let descriptor = unsafe open(path, O_RDWR | O_EXCL | O_CLOEXEC)
        guard descriptor >= 0 else {
            let code = errno
            if code == EBUSY {
                throw .refused([
                    Refusal(
                        .inUse, subject: path, why: "the kernel or another program is using it",
                        action: "unmount it and close programs that use it (lsof \(path))")
                ])
            }
            let hint = code == EACCES ? "; writing a device needs root: run the command with sudo" : ""
            throw .failed(.cannotCreate, "cannot write \(path): \(errorText(code))\(hint)")
        }
        self.init(descriptor: descriptor, path: path)
    }

    /// Makes or empties a plain file of `size` bytes, readable by its owner only because it may hold a cluster key.
    package init(creating path: String, size: Int) throws(ProvisioningError) {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0, fchmod(descriptor, 0o600) == 0, ftruncate(descriptor, 0) == 0,
            ftruncate(descriptor, off_t(size)) == 0
        else {
            let code = errno
            if descriptor >= 0 { close(descriptor) }
            throw .failed(.cannotCreate, "cannot create \(path) with \(size) bytes: \(errorText(code))")
        }
        self.init(descriptor: descriptor, path: path)
    }

    /// Bytes of the file or medium.
    package borrowing func size() throws(ProvisioningError) -> Int {
        let size = lseek(descriptor, 0, SEEK_END)
        guard size >= 0 else { throw .failed(.inputOutput, "cannot measure \(path): \(errorText(errno))") }
        return Int(size)
    }

    /// `major:minor` of the device behind the descriptor.
    package borrowing func deviceNumber() -> String? {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return nil }
        return FileStatus.text(status.st_rdev)
    }

    /// Exactly `count` bytes.
    package borrowing func read(at offset: Int, count: Int) throws(ProvisioningError) -> [UInt8] {
        guard offset >= 0, count >= 0 else { throw .failed(.inputOutput, "cannot read \(path) at \(offset)") }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            let wanted = min(Self.chunk, count - bytes.count)
            let position = off_t(offset + bytes.count)
            var got = unsafe pread(descriptor, buffer, wanted, position)
            if got < 0 && errno == EINVAL && clearDirect() { got = unsafe pread(descriptor, buffer, wanted, position) }
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else {
                let why = got == 0 ? "it ends there" : errorText(errno)
                throw .failed(.inputOutput, "cannot read \(path) at byte \(position): \(why)")
            }
            unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: buffer, count: got))
        }
        return bytes
    }

    package borrowing func write(_ bytes: [UInt8], at offset: Int) throws(ProvisioningError) {
        var done = 0
        while done < bytes.count {
            let position = offset + done
            let count = unsafe bytes.withUnsafeBytes { source in
                unsafe pwrite(
                    descriptor, source.baseAddress! + done, min(Self.chunk, bytes.count - done), off_t(position))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                throw .failed(.inputOutput, "cannot write \(path) at byte \(position): \(errorText(errno))")
            }
            done += count
        }
    }

    /// Waits until everything written is on the medium.
    package borrowing func flush() throws(ProvisioningError) {
        guard fsync(descriptor) == 0 else {
            throw .failed(.inputOutput, "cannot flush \(path): \(errorText(errno)); the stick may be defective")
        }
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    }

    /// Some file systems accept the flag at open and refuse the transfer.
    private borrowing func clearDirect() -> Bool {
        let flags = fcntl(descriptor, F_GETFL)
        return flags >= 0 && flags & Self.directFlag != 0 && fcntl(descriptor, F_SETFL, flags & ~Self.directFlag) == 0
    }

    /// O_DIRECT (asm/fcntl.h), which Swift does not import.
    #if arch(arm64)
        private static let directFlag: Int32 = 0o200000
    #else
        private static let directFlag: Int32 = 0o40000
    #endif
}

extension [UInt8] {
    /// Whether every byte is zero; as fast as memory.
    var isZero: Bool {
        guard let first else { return true }
        // SAFETY: both comparisons stay within the array; a run that equals itself shifted by one byte is constant.
        guard first == 0 else { return false }
        return unsafe withUnsafeBytes { unsafe memcmp($0.baseAddress!, $0.baseAddress! + 1, $0.count - 1) == 0 }
    }
}

/// What stat(2) says about a path.
struct FileStatus: Equatable {
    var kind: FileKind
    var size: Int
    /// `major:minor` of the file system, and of the device itself when it is one.
    var fileSystem: String
    var device: String
    var inode: UInt64

    /// nil when there is nothing at `path`.
    init?(_ path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        kind = FileKind(mode: status.st_mode)
        size = Int(status.st_size)
        fileSystem = Self.text(status.st_dev)
        device = Self.text(status.st_rdev)
        inode = UInt64(status.st_ino)
    }

    /// glibc's encoding of device numbers (bits/sysmacros.h), whose macros Swift does not import.
    static func text(_ number: dev_t) -> String {
        let value = UInt64(number)
        let major = (value >> 8 & 0xFFF) | (value >> 32 & 0xFFFF_F000)
        let minor = (value & 0xFF) | (value >> 12 & 0xFFFF_FF00)
        return "\(major):\(minor)"
    }
}
