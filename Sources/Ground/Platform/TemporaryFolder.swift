internal import CPlatform
internal import Glibc
internal import Synchronization

/// A folder of mode 0700 for files that nobody needs later. It goes, with all that is in it, with the last reference and when a signal ends the
/// process in order (``ProgramStart``).
package final class TemporaryFolder: Sendable {
    package let path: String
    private let undo: UndoEntry

    /// - Parameter purpose: a word of its name.
    package init(_ purpose: String) throws(TemporaryFolderError) {
        let parent = Self.parent
        while true {
            let path = parent + "/vsmp-" + purpose + "-" + String(UInt64.random(in: .min ... .max), radix: 36)
            do throws(SystemError) {
                undo = try UndoEntry(makingFolder: path)
                self.path = path
                break
            } catch {
                guard error.code == EEXIST else { throw TemporaryFolderError(parent, error.code) }
            }
        }
        Self.living.withLock { $0[path] = parent }
    }

    deinit {
        Self.living.withLock { _ = $0.removeValue(forKey: path) }
        // SAFETY: the path is a C string.
        unsafe cplatform_remove_tree(path)
        undo.forget()
    }

    // MARK: Room

    private static let living = Mutex<[String: String]>([:])

    /// Ask this after something went wrong with files: whether a folder of this process has no room left for another 256 KiB, and is therefore the reason.
    package static var shortage: TemporaryFolderError? {
        for (path, parent) in living.withLock({ $0 }) {
            let probe = "\(path)/.room"
            do throws(SystemError) {
                // SAFETY: the path is a C string.
                defer { unsafe unlink(probe) }
                try FileDescriptor(opening: probe, for: .write, [.create, .truncate]).write([UInt8](repeating: 1, count: 256 << 10))
            } catch {
                if [ENOSPC, EDQUOT, EROFS].contains(error.code) { return TemporaryFolderError(parent, error.code) }
            }
        }
        return nil
    }

    /// Where they stand: `TMPDIR`, else /tmp.
    package static var parent: String {
        let named = HostProgram.ownEnvironment["TMPDIR"] ?? ""
        return named.isEmpty ? "/tmp" : named
    }
}

/// The folder for temporary files cannot be used: it is missing, full, or may not be written.
package struct TemporaryFolderError: Error, Equatable, Sendable, CustomStringConvertible {
    package let folder: String
    package let code: Int32

    init(_ folder: String, _ code: Int32) {
        self.folder = folder
        self.code = code
    }

    package var description: String {
        "cannot use the folder for temporary files \(folder): \(SystemError.reason(code)); set TMPDIR to a folder with more room, or free some there"
    }
}
