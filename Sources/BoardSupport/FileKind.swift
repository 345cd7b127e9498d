internal import Glibc

/// What stands at a path, links followed.
package enum FileKind: Sendable {
    case file, folder, device
    /// A pipe or a socket.
    case other

    /// Nil when there is nothing.
    package init?(at path: String) {
        var status = stat()
        // SAFETY: the string lives until the call returns, and stat only writes into `status`.
        guard unsafe stat(path, &status) == 0 else { return nil }
        self =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFBLK, S_IFCHR: .device
            default: .other
            }
    }
}
