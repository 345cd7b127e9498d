internal import Glibc

/// Writes the files that a command's user names.
package enum OutputFile {
    /// A plain file appears, or changes, in one step and keeps its permissions and owner. What is no plain file (a pipe, /dev/stdout, /dev/null) is
    /// written through; `-` is standard output.
    ///
    /// - Parameters:
    ///   - isSecret: whether a new file is its owner's alone, from the first moment.
    ///   - replacing: whether there may be something at `path`.
    package static func write(
        _ bytes: [UInt8], to path: String, isSecret: Bool = false, replacing: Bool = true
    ) throws(OutputFileError) {
        do throws(SystemError) {
            if let descriptor = standardStream(path) {
                return try FileDescriptor(duplicating: descriptor, as: path).writeWaiting(bytes)
            }
            if path.hasSuffix("/") { throw SystemError("open", on: path, code: EISDIR) }
            var status = stat()
            // SAFETY: the path is a C string, and the result has the type that the call fills in.
            let existing = unsafe stat(path, &status) == 0 ? status : nil
            if existing != nil, !replacing { throw SystemError("open", on: path, code: EEXIST) }
            switch existing.map({ $0.st_mode & S_IFMT }) {
            case nil, S_IFREG?: break
            case S_IFDIR?: throw SystemError("open", on: path, code: EISDIR)
            // A stick or a disk is never a file's place.
            case S_IFBLK?: throw SystemError("open", on: path, code: ENOTBLK)
            default: return try FileDescriptor(opening: path, for: .write, .noTerminal).writeWaiting(bytes)
            }
            let partial = PartialOutput(for: path)
            let permissions: UInt32 = isSecret ? 0o600 : 0o666
            let file = try FileDescriptor(opening: partial.path, for: .write, [.create, .exclusive, .noFollow], permissions: permissions)
            try file.write(bytes)
            if let existing {
                // Only root can give a file to another user; where that fails the new one is the caller's.
                if existing.st_uid != geteuid() || existing.st_gid != getegid() { _ = fchown(file.rawValue, existing.st_uid, existing.st_gid) }
                fchmod(file.rawValue, isSecret ? existing.st_mode & 0o600 : existing.st_mode & 0o7777)
            }
            do throws(OutputFileError) { try partial.takePlace(replacing: replacing) } catch { throw SystemError("rename", on: path, code: error.code) }
        } catch {
            throw OutputFileError(path, error.code)
        }
    }

    /// Refuses a place whose folder is not there or cannot be written: before the work, not after it.
    package static func checkFolder(of path: String) throws(OutputFileError) {
        let folder = PartialOutput.folder(of: PartialOutput.resolved(path.withoutTrailingSlashes))
        guard FileKind(at: folder) == .folder else { throw OutputFileError(path, ENOENT) }
        guard SystemFiles().mayWrite(folder) else { throw OutputFileError(path, EACCES) }
    }

    /// The descriptor that a path stands for: what is open there is written where it stands, not from its beginning.
    private static func standardStream(_ path: String) -> Int32? {
        switch path {
        case "-", "/dev/stdout": return STDOUT_FILENO
        case "/dev/stderr": return STDERR_FILENO
        default:
            for prefix in ["/dev/fd/", "/proc/self/fd/"] where path.hasPrefix(prefix) { return Int32(path.dropFirst(prefix.count)) }
            return nil
        }
    }
}

extension FileDescriptor {
    /// Writes all bytes, also where somebody has made a terminal or a pipe non-blocking.
    borrowing func writeWaiting(_ bytes: [UInt8]) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            // SAFETY: the rest of the array is valid for the call.
            let count = unsafe bytes.withUnsafeBytes { bytes in
                uninterrupted { unsafe Glibc.write(rawValue, bytes.baseAddress! + done, bytes.count - done) }
            }
            if count == -Int(EAGAIN) {
                try wait(for: .output, timeout: nil)
                continue
            }
            done += try checked(count, "write", on: subject)
        }
    }
}
