internal import Contract
internal import Disk
internal import Platform
import Glibc
import Node
import StickState

/// The boot partition of this node's stick, mounted writable, while one of its banks is replaced.
struct MountedBootPartition: BootPartition {
    /// Bytes written or read between two questions whether anybody still waits.
    private static let piece = 1 << 20

    /// Where it is mounted.
    let folder: String
    /// Makes the kernel read what is not dirty from the medium again.
    let forgetCache: @Sendable () -> Void
    /// False when nobody waits for the bank any more.
    var isWanted: @Sendable () -> Bool = { true }

    // MARK: Reading

    func files() throws(UpdateRefusal) -> [String] { files(in: "", depth: 0) }

    private func files(in path: String, depth: Int) -> [String] {
        SystemFiles().names(in: place(path)).flatMap { name -> [String] in
            let path = path.isEmpty ? name : "\(path)/\(name)"
            guard FileStatus(place(path))?.kind == .folder else { return [path] }
            return depth < 8 ? files(in: path, depth: depth + 1) : []
        }
    }

    func read(_ path: String) throws(UpdateRefusal) -> [UInt8]? {
        do throws(FileReadError) { return try WholeFile.read(place(path)) } catch {
            if case .missing = error { return nil }
            throw UpdateRefusal(.inputOutput, "\(error): look at the stick")
        }
    }

    func freeBytes() throws(UpdateRefusal) -> Int {
        var status = statvfs()
        // SAFETY: statvfs only writes into `status`.
        try attempt("statvfs", "") { unsafe statvfs(folder, &status) }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    func allocation(of paths: [String]) throws(UpdateRefusal) -> Int {
        paths.reduce(0) { $0 + (FileStatus(place($1))?.allocated ?? 0) }
    }

    /// What differs from what was written, or cannot be read, is the stick's fault.
    func check(_ path: String, is content: ArraySlice<UInt8>) throws(UpdateRefusal) {
        let file = try medium { () throws(DiskError) in try FileStore(reading: place(path), direct: true) }
        var rest = content
        while file.byteCount == content.count, !rest.isEmpty {
            try ask()
            let expected = rest.prefix(Self.piece)
            let found = try medium { () throws(DiskError) in try file.read(at: rest.startIndex - content.startIndex, count: expected.count) }
            guard found[...] == expected else { break }
            rest = rest.dropFirst(expected.count)
        }
        if rest.isEmpty, file.byteCount == content.count { return }
        throw UpdateRefusal(.inputOutput, "the stick returned other bytes than were written to \(path): try again, and replace the stick if this repeats")
    }

    // MARK: Changing

    func put(_ path: String, bytes: ArraySlice<UInt8>) throws(UpdateRefusal) {
        do throws(SystemError) {
            let file = try FileDescriptor(opening: place(path), for: .write, [.create, .truncate])
            var rest = bytes
            while !rest.isEmpty, isWanted() {
                try file.write(Array(rest.prefix(Self.piece)))
                rest = rest.dropFirst(Self.piece)
            }
            try file.synchronize()
        } catch {
            throw Self.cannotChange(path, error.code)
        }
        try ask()
    }

    func remove(_ path: String) throws(UpdateRefusal) { try attempt("unlink", path) { unsafe unlink(place(path)) } }

    func makeFolder(_ path: String) throws(UpdateRefusal) {
        var folder = ""
        for part in path.split(separator: "/") {
            folder += (folder.isEmpty ? "" : "/") + part
            if FileStatus(place(folder)) == nil { try attempt("mkdir", folder) { unsafe mkdir(place(folder), 0o755) } }
        }
    }

    func rename(_ path: String, to name: String) throws(UpdateRefusal) {
        let new = (path.split(separator: "/").dropLast() + [name[...]]).joined(separator: "/")
        try attempt("rename", path) { unsafe Glibc.rename(place(path), place(new)) }
    }

    func overwrite(_ path: String, with content: [UInt8]) throws(UpdateRefusal) {
        let old = try read(path)
        if old == content { return }
        if old?.count == content.count {
            do throws(SystemError) {
                let file = try FileDescriptor(opening: place(path), for: .write)
                try file.write(content, at: 0)
                try file.synchronize()
            } catch {
                throw Self.cannotChange(path, error.code)
            }
        } else {
            try makeFolder(path.split(separator: "/").dropLast().joined(separator: "/"))
            try put(path, bytes: content[...])
        }
        try flush()
        try check(path, is: content[...])
    }

    /// Linux removes such a file by what it finds of it, because init mounts the partition with `errors=continue`.
    func endChains(of paths: [String]) throws(UpdateRefusal) {}

    /// Folders are synchronised one by one because sync(2) reports no errors.
    func flush() throws(UpdateRefusal) {
        for path in ["", "VSMP", "EFI", BootProgramName.folder, "loader"] + Bank.allCases.map(\.folder) where FileStatus(place(path)) != nil {
            do throws(SystemError) { try FileDescriptor(opening: place(path), for: .read, .folder).synchronize() } catch { throw Self.cannotChange(path, error.code) }
        }
        sync()
        forgetCache()
    }

    // MARK: Helpers

    private func place(_ path: String) -> String { path.isEmpty ? folder : "\(folder)/\(path)" }

    private func ask() throws(UpdateRefusal) {
        if !isWanted() { throw UpdateRefusal(.unavailable, "the update was given up") }
    }

    private func medium<Value: ~Copyable>(_ body: () throws(DiskError) -> Value) throws(UpdateRefusal) -> Value {
        do throws(DiskError) { return try body() } catch { throw UpdateRefusal(.inputOutput, "\(error): replace the stick if this repeats") }
    }

    private func attempt(_ call: String, _ path: String, _ body: () -> Int32) throws(UpdateRefusal) {
        do throws(SystemError) { try checked(uninterrupted(body), call, on: path) } catch { throw Self.cannotChange(path, error.code) }
    }

    static func cannotChange(_ path: String, _ code: Int32) -> UpdateRefusal {
        let hint = code == EROFS || code == EACCES || code == EPERM ? "is it write-protected?" : "try again, and replace the stick if this repeats"
        return UpdateRefusal(.inputOutput, "cannot change \(path.isEmpty ? "the boot partition" : path) of the stick: \(SystemError.reason(code)); \(hint)")
    }
}
