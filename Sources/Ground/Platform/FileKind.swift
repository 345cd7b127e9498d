internal import Glibc

/// What stands at a path, links followed.
package enum FileKind: Sendable {
    case file, folder, blockDevice, characterDevice
    /// A pipe or a socket.
    case other

    package var isDevice: Bool { self == .blockDevice || self == .characterDevice }

    /// - Parameter mode: stat(2)'s st_mode, a mode_t.
    package init(mode: UInt32) {
        self =
            switch mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFBLK: .blockDevice
            case S_IFCHR: .characterDevice
            default: .other
            }
    }

    /// Nil when there is nothing.
    package init?(at path: String) {
        var status = stat()
        // SAFETY: the string lives until the call returns, and stat only writes into `status`.
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.init(mode: status.st_mode)
    }
}
