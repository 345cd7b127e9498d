internal import Contract
internal import Glibc
internal import Platform

/// An open image file or block device, read and written at positions; closes itself.
package struct FileStore: ~Copyable, BlockStore {
    /// Largest transfer in bytes.
    package static let chunk = 1 << 20

    private let file: FileDescriptor
    private let buffer: AlignedBuffer
    /// Bytes of the file or medium when it was opened.
    package let byteCount: Int

    private init(_ file: consuming FileDescriptor) throws(DiskError) {
        guard let kind = FileStatus(of: file.rawValue)?.kind, kind == .file || kind == .blockDevice else {
            throw DiskError(.badInput, "\(file.subject) is neither a plain file nor a disk: name one")
        }
        do throws(SystemError) { byteCount = try file.size() } catch {
            throw DiskError(.inputOutput, "cannot measure \(file.subject): \(error.reason)")
        }
        self.file = file
        buffer = AlignedBuffer(byteCount: Self.chunk)
    }

    /// Opens for reading.
    ///
    /// - Parameter direct: ask for the medium itself instead of the page cache, where the file system can do that.
    package init(reading path: String, direct: Bool = false) throws(DiskError) { try self.init(try Self.opened(path, direct: direct)) }

    /// Opens a file or block device for changing a part of it.
    package init(changing path: String) throws(DiskError) { try self.init(try Self.open(path, [])) }

    /// Opens a block device for writing; fails while the kernel or another exclusive user holds it.
    ///
    /// - Parameter direct: write to the medium itself, past the page cache, where the device can do that.
    package init(writingDevice path: String, direct: Bool = false) throws(DiskError) {
        if direct, let file = try? FileDescriptor(opening: path, for: .readWrite, [.exclusive, .direct]) {
            try self.init(file)
        } else {
            try self.init(try Self.open(path, .exclusive))
        }
    }

    /// Makes or empties a plain file of `size` bytes, readable by its owner only because it may hold a cluster key.
    package init(creating path: String, size: Int) throws(DiskError) {
        try self.init(try Self.created(path, size: size))
    }

    private static func opened(_ path: String, direct: Bool) throws(DiskError) -> FileDescriptor {
        // The open of a pipe would otherwise wait for its writer.
        if direct, let file = try? FileDescriptor(opening: path, for: .read, [.nonBlocking, .direct]) {
            posix_fadvise(file.rawValue, 0, 0, POSIX_FADV_DONTNEED)
            return file
        }
        do throws(SystemError) { return try FileDescriptor(opening: path, for: .read, .nonBlocking) } catch {
            throw DiskError(.missingInput, "cannot read \(path): \(error.reason)")
        }
    }

    private static func created(_ path: String, size: Int) throws(DiskError) -> FileDescriptor {
        do throws(SystemError) {
            let file = try FileDescriptor(opening: path, for: .readWrite, [.create, .noFollow], permissions: 0o600)
            try checked(uninterrupted { fchmod(file.rawValue, 0o600) }, "fchmod", on: path)
            try file.truncate(to: 0)
            try file.truncate(to: size)
            return file
        } catch {
            throw DiskError(.cannotCreate, "cannot create \(path) with \(size) bytes: \(error.reason)")
        }
    }

    private static func open(_ path: String, _ options: FileDescriptor.Options) throws(DiskError) -> FileDescriptor {
        do throws(SystemError) {
            return try FileDescriptor(opening: path, for: .readWrite, options)
        } catch {
            if error.code == EBUSY { throw DiskError(inUse: path) }
            if error.code == EROFS { throw DiskError(.writeProtected, "cannot write \(path): it is write-protected; release its write protection") }
            let hint = error.code == EACCES ? "; use sudo, or let the group vsmp write sticks with tools/setup --usb" : ""
            throw DiskError(.cannotCreate, "cannot write \(path): \(error.reason)\(hint)")
        }
    }

    /// `major:minor` of the device behind the descriptor.
    package func deviceNumber() -> String? { FileStatus(of: file.rawValue)?.device }

    package func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
        guard offset >= 0, count >= 0 else { throw DiskError(.inputOutput, "cannot read \(file.subject) at \(offset)") }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            let position = offset + bytes.count
            let wanted = min(Self.chunk, count - bytes.count)
            let got: Int
            do throws(SystemError) { got = try fill(wanted, at: position) } catch {
                throw DiskError(.inputOutput, "cannot read \(file.subject) at byte \(position): \(error.reason)")
            }
            guard got > 0 else { throw DiskError(.inputOutput, "cannot read \(file.subject) at byte \(position): it ends there") }
            buffer.append(got, to: &bytes)
        }
        return bytes
    }

    private func fill(_ count: Int, at position: Int) throws(SystemError) -> Int {
        do throws(SystemError) {
            return try buffer.read(file, count, at: position)
        } catch {
            // Some file systems accept the flag at open and refuse the transfer.
            guard error.code == EINVAL, clearDirect() else { throw error }
            return try buffer.read(file, count, at: position)
        }
    }

    package func write(_ bytes: [UInt8], at offset: Int) throws(DiskError) {
        do throws(SystemError) { try put(bytes, at: offset) } catch {
            throw DiskError(error.writeStatus, "cannot write \(error.subject): \(error.reason)")
        }
    }

    private func put(_ bytes: [UInt8], at offset: Int) throws(SystemError) {
        guard isDirect else { return try file.write(bytes, at: offset) }
        for start in stride(from: 0, to: bytes.count, by: Self.chunk) {
            let count = min(Self.chunk, bytes.count - start)
            do throws(SystemError) {
                try buffer.write(bytes, from: start, count, to: file, at: offset + start)
            } catch {
                // As `fill`; and what is no whole number of sectors goes through the page cache.
                guard error.code == EINVAL, clearDirect() else { throw error }
                try buffer.write(bytes, from: start, count, to: file, at: offset + start)
            }
        }
    }

    package func flush() throws(DiskError) {
        do throws(SystemError) { try file.synchronize() } catch {
            throw DiskError(.inputOutput, "cannot flush \(file.subject): \(error.reason); the stick may be defective")
        }
        posix_fadvise(file.rawValue, 0, 0, POSIX_FADV_DONTNEED)
    }

    private var isDirect: Bool {
        let flags = fcntl(file.rawValue, F_GETFL)
        return flags >= 0 && flags & FileDescriptor.Options.direct.rawValue != 0
    }

    private func clearDirect() -> Bool {
        isDirect && fcntl(file.rawValue, F_SETFL, fcntl(file.rawValue, F_GETFL) & ~FileDescriptor.Options.direct.rawValue) == 0
    }
}

extension SystemError {
    /// Of a write: the folder is full, the medium protects itself, or it failed.
    fileprivate var writeStatus: ExitStatus {
        switch code {
        case ENOSPC, EDQUOT, EFBIG: .cannotCreate
        case EROFS: .writeProtected
        default: .inputOutput
        }
    }
}

/// Memory that direct transfers accept.
///
/// SAFETY: the memory lives until `deinit` and is used only inside one call at a time: the type cannot be copied or shared.
@safe package struct AlignedBuffer: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer

    init(byteCount: Int) { unsafe memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096) }

    deinit { unsafe memory.deallocate() }

    func read(_ file: borrowing FileDescriptor, _ count: Int, at offset: Int) throws(SystemError) -> Int {
        unsafe try file.read(into: UnsafeMutableRawBufferPointer(rebasing: memory[..<count]), at: offset)
    }

    func write(_ bytes: [UInt8], from start: Int, _ count: Int, to file: borrowing FileDescriptor, at offset: Int) throws(SystemError) {
        unsafe bytes.withUnsafeBytes { unsafe memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count])) }
        unsafe try file.write(UnsafeRawBufferPointer(rebasing: memory[..<count]), at: offset)
    }

    func append(_ count: Int, to bytes: inout [UInt8]) { unsafe bytes.append(contentsOf: memory[..<count]) }
}

extension [UInt8] {
    /// Whether every byte is zero; as fast as memory.
    package var isZero: Bool {
        guard let first else { return true }
        // SAFETY: both comparisons stay within the array; a run that equals itself shifted by one byte is constant.
        guard first == 0 else { return false }
        return unsafe withUnsafeBytes { unsafe memcmp($0.baseAddress!, $0.baseAddress! + 1, $0.count - 1) == 0 }
    }
}
