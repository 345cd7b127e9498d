package import Contract
import Bytes
public import Foundation

/// Writes the archive format that Linux unpacks as its first file system: cpio "newc"
/// (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
///
/// The bytes depend on the entries alone: sorted by path, owner 0, time 0, inode numbers counted from 1.
public struct NewcArchive: Sendable {
    public enum Entry: Equatable, Sendable {
        case directory
        case file(Data, permissions: UInt16)
        case symbolicLink(String)
        case characterDevice(major: UInt32, minor: UInt32, permissions: UInt16)
    }

    /// By path without a leading slash. Parent directories are added where they are missing.
    public private(set) var entries: [String: Entry] = [:]

    public init() {}

    /// Adds or replaces `path`.
    public mutating func add(_ path: String, _ entry: Entry) {
        entries[path] = entry
        var parent = path
        while let slash = parent.lastIndex(of: "/") {
            parent = String(parent[..<slash])
            if entries[parent] == nil { entries[parent] = .directory }
        }
    }

    /// The whole archive, padded to 512 bytes.
    public func bytes() -> Data {
        var out = Data()
        // A directory is a prefix of what it holds, so sorting puts it first.
        for (index, path) in entries.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }).enumerated() {
            guard let entry = entries[path] else { continue }
            Self.append(entry, path: path, inode: UInt32(index) + 1, to: &out)
        }
        Self.append(mode: 0, links: 1, inode: 0, path: "TRAILER!!!", content: Data(), device: (0, 0), to: &out)
        out.append(Data(count: (512 - out.count % 512) % 512))
        return out
    }

    private static func append(_ entry: Entry, path: String, inode: UInt32, to out: inout Data) {
        switch entry {
        case .directory:
            append(mode: 0o040755, links: 2, inode: inode, path: path, content: Data(), device: (0, 0), to: &out)
        case .file(let content, let permissions):
            append(
                mode: 0o100000 | UInt32(permissions), links: 1, inode: inode, path: path, content: content,
                device: (0, 0), to: &out)
        case .symbolicLink(let target):
            append(
                mode: 0o120777, links: 1, inode: inode, path: path, content: Data(target.utf8), device: (0, 0),
                to: &out)
        case .characterDevice(let major, let minor, let permissions):
            append(
                mode: 0o020000 | UInt32(permissions), links: 1, inode: inode, path: path, content: Data(),
                device: (major, minor), to: &out)
        }
    }

    private static func append(
        mode: UInt32, links: UInt32, inode: UInt32, path: String, content: Data, device: (UInt32, UInt32),
        to out: inout Data
    ) {
        precondition(content.count <= UInt32.max, "a newc entry holds less than 4 GiB")
        let name = Data(path.utf8) + [0]
        // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        let fields: [UInt32] = [
            inode, mode, 0, 0, links, 0, UInt32(content.count), 0, 0, device.0, device.1, UInt32(name.count), 0,
        ]
        out.append(Data("070701".utf8))
        for field in fields {
            out.append(Data(Hexadecimal.encode(field).utf8))
        }
        out.append(name)
        out.append(Data(count: (4 - out.count % 4) % 4))
        out.append(content)
        out.append(Data(count: (4 - out.count % 4) % 4))
    }
}

extension NewcArchive {
    /// Adds what an image says of itself.
    mutating func add(_ fact: ImageFact, _ content: some Sequence<UInt8>) { add(fact.path, .file(Data(content), permissions: 0o644)) }

    /// A fact that is one line; nil when it is not there, or anything else.
    package func fact(_ fact: ImageFact) -> String? {
        guard case .file(let content, _)? = entries[fact.path] else { return nil }
        return ImageFact.value(content)
    }
}
