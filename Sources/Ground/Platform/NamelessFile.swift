internal import CPlatform
internal import Glibc

/// A temporary file that no folder shows: none of its bytes remain however this process ends, also by SIGKILL. For secrets; in memory where there is room.
package final class NamelessFile: Sendable {
    private let file: FileDescriptor
    /// Where this process, and the programs that it runs, open the file while the value lives (proc(5)).
    package var path: String { "/proc/\(getpid())/fd/\(file.rawValue)" }
    /// Whether no disk holds it.
    package let isInMemory: Bool

    /// An empty file, readable by its owner only.
    ///
    /// - Parameter byteCount: the most that will be written into it.
    package init(byteCount: Int) throws(TemporaryFolderError) {
        let folder = TemporaryFolder.parent
        isInMemory = byteCount < Self.freeMemory / 2
        do throws(SystemError) { file = try isInMemory ? Self.inMemory() : Self.onDisk(folder) } catch { throw TemporaryFolderError(folder, error.code) }
    }

    private static func inMemory() throws(SystemError) -> FileDescriptor {
        let file = try FileDescriptor(inMemoryAs: "a temporary file")
        try checked(uninterrupted { fchmod(file.rawValue, 0o600) }, "fchmod", on: "a temporary file")
        return file
    }

    /// Its name goes before anything is written.
    private static func onDisk(_ folder: String) throws(SystemError) -> FileDescriptor {
        let path = folder + "/vsmp-private-" + String(UInt64.random(in: .min ... .max), radix: 36)
        let undo = UndoEntry(path)
        defer {
            // SAFETY: the path is a C string.
            unsafe unlink(path)
            undo.forget()
        }
        return try FileDescriptor(opening: path, for: .readWrite, [.create, .exclusive, .noFollow], permissions: 0o600)
    }

    package func truncate(to byteCount: Int) throws(SystemError) { try file.truncate(to: byteCount) }

    /// Bytes that processes can have without others losing theirs (proc(5), `MemAvailable`).
    private static var freeMemory: Int {
        let words = SystemFiles().text("/proc/meminfo").flatMap { text in text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") } }?.split(separator: " ")
        guard let words, words.count > 1, let kilobytes = Int(words[1]) else { return 0 }
        return kilobytes << 10
    }
}
