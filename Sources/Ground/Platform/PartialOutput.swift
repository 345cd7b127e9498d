internal import CPlatform
internal import Glibc

/// A file or folder in the making: it has another name, in the folder of its target, until it takes the target's place in one step (rename(2)). Nothing
/// is left of it otherwise, also when a signal ends the process in order (``ProgramStart``).
package struct PartialOutput: ~Copyable {
    /// Where to make it.
    package let path: String
    private let target: String
    private let undo: UndoEntry

    /// - Parameter target: a link counts as what it leads to; slashes at its end count for nothing.
    package init(for target: String) {
        self.target = Self.resolved(target.withoutTrailingSlashes)
        let folder = Self.folder(of: self.target)
        path = folder + (folder.hasSuffix("/") ? "" : "/") + ".vsmp-" + String(UInt64.random(in: .min ... .max), radix: 36)
        undo = UndoEntry(path)
    }

    deinit {
        // SAFETY: the path is a C string.
        unsafe cplatform_remove_tree(path)
        undo.forget()
    }

    /// Gives it the target's place when all of it is on the medium.
    ///
    /// - Parameter replacing: whether something may be there already.
    package borrowing func takePlace(replacing: Bool = true) throws(OutputFileError) {
        do throws(SystemError) {
            try FileDescriptor(opening: path, for: .read).synchronizeWherePossible()
            // SAFETY: both paths are C strings.
            try checked(unsafe cplatform_rename(path, target, replacing), "rename", on: target)
        } catch {
            throw OutputFileError(target, error.code)
        }
        do throws(SystemError) { try Self.synchronizeFolder(of: target) } catch { throw OutputFileError(target, error.code) }
    }

    /// After a sudden end of the power a name leads to what it led to before, or to what it leads to now; this makes it the latter.
    package static func synchronizeFolder(of path: String) throws(SystemError) {
        try FileDescriptor(opening: folder(of: path), for: .read, .folder).synchronizeWherePossible()
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// What a link leads to, where there is such a thing.
    static func resolved(_ path: String) -> String {
        var status = stat()
        // SAFETY: the path is a C string for each call, and realpath's copy is freed.
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK, let real = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }
}

extension String {
    /// The path without the slashes at its end, as a shell's completion of a folder leaves them; `/` stays.
    package var withoutTrailingSlashes: String {
        var path = self[...]
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        return String(path)
    }
}

extension FileDescriptor {
    /// Some file systems and all pipes and terminals have no such thing.
    borrowing func synchronizeWherePossible() throws(SystemError) {
        do throws(SystemError) { try synchronize() } catch {
            if ![EINVAL, EROFS, ENOTSUP, ENOSYS, EBADF].contains(error.code) { throw error }
        }
    }
}

/// A file that a command was told to write cannot be written.
package struct OutputFileError: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String
    package let code: Int32

    init(_ path: String, _ code: Int32) {
        self.path = path
        self.code = code
    }

    package var description: String {
        let folder = PartialOutput.folder(of: path)
        let advice =
            switch code {
            case ENOSPC, EDQUOT: "free room in \(folder), or name a file elsewhere"
            case ENOENT: "there is no folder \(folder), or a link that leads nowhere; make it, or name a file elsewhere"
            case EACCES, EPERM, EROFS: "the folder \(folder) cannot be written; name a file elsewhere"
            case EEXIST: "it exists already and is not overwritten; name another one"
            case EISDIR: "it is a folder; name a file in it"
            case ENOTBLK: "it is a block device; name a file, and write a stick from an image with vsmp usb write"
            default: "check the folder \(folder)"
            }
        return [ENOTBLK, EISDIR, EEXIST].contains(code)
            ? "cannot write \(path): \(advice)" : "cannot write \(path): \(SystemError.reason(code)); \(advice)"
    }
}
