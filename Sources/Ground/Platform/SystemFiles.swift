import Bytes
internal import Glibc

/// Reads /proc, /sys and /dev below a root folder, so that tests can bring a tree of their own.
package struct SystemFiles: Sendable {
    /// Prefix of every path; empty for the running system.
    package var root: String

    package init(root: String = "") {
        self.root = root.hasSuffix("/") ? String(root.dropLast()) : root
    }

    /// The file's bytes, or nil when it cannot be read. A pipe that nobody writes to has none, and is not waited for.
    package func bytes(_ path: String) -> [UInt8]? {
        do throws(SystemError) { return try FileDescriptor(opening: root + path, for: .read, [.nonBlocking, .noTerminal]).readAll() } catch { return nil }
    }

    /// The file's text, or nil when it cannot be read.
    package func text(_ path: String) -> String? {
        bytes(path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The first line without surrounding blanks, or nil when the file cannot be read or is empty.
    package func line(_ path: String) -> String? {
        guard let text = text(path) else { return nil }
        let line = text.prefix { $0 != "\n" }.drop { $0.isWhitespace }
        let end = line.lastIndex { !$0.isWhitespace }
        return end.map { String(line[...$0]) }
    }

    package func number(_ path: String) -> Int? { line(path).flatMap { Int($0) } }

    package func exists(_ path: String) -> Bool { unsafe access(root + path, F_OK) == 0 }

    package func mayWrite(_ path: String) -> Bool { unsafe access(root + path, W_OK) == 0 }

    /// Names in a folder, sorted, without `.` and `..`; empty when it cannot be read.
    package func names(in path: String) -> [String] {
        guard let folder = unsafe opendir(root + path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            // SAFETY: d_name is NUL-terminated within the entry, which lives until the next readdir.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The last component of a symbolic link's target, or nil when `path` is no link.
    package func linkName(_ path: String) -> String? {
        guard let target = linkTarget(path) else { return nil }
        return target.split(separator: "/").last.map(String.init)
    }

    /// A symbolic link's target as it is written, or nil when `path` is no link.
    package func linkTarget(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes { space in
            unsafe space.baseAddress.map { unsafe readlink(root + path, $0, space.count) } ?? -1
        }
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
