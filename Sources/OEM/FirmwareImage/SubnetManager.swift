import Contract
internal import Foundation

/// opensm with every shared library that it needs, for boards whose InfiniBand has no other subnet manager. All comes from packages of the lock
/// (`firmware/subnet-manager.lock`), where ld.so(8) would find it.
struct SubnetManager {
    /// In the root file system.
    static let program = "sbin/opensm"
    static let configuration = ImageFact.subnetManager

    struct File {
        let path: String
        let content: Data
        /// The package that it comes from.
        let package: String
    }

    private(set) var files: [File] = []

    /// - Parameter roots: every package of the lock, unpacked, by name.
    init(roots: [String: URL]) throws(ImageError) {
        guard let root = roots["opensm"], let content = try? read(root.appendingPathComponent("usr/sbin/opensm")) else {
            throw ImageError(
                .badInput, "this board's firmware has a subnet manager, and no package opensm is locked: see firmware/subnet-manager.lock")
        }
        files = [File(path: Self.program, content: content, package: "opensm")]
        var done: Set<String> = []
        var index = 0
        while index < files.count {
            let user = files[index]
            index += 1
            guard let needs = Self.needs(of: user.content) else {
                throw ImageError(.badInput, "\(user.path) in the package \(user.package) is no dynamic ELF64 file")
            }
            for need in needs where done.insert(need).inserted { files.append(try Self.library(need, neededBy: user, roots)) }
        }
    }

    func add(to archive: inout NewcArchive, configuration: String) {
        for file in files { archive.add(file.path, .file(file.content, permissions: 0o755)) }
        archive.add(Self.configuration, configuration.utf8)
    }

    /// Which package each file comes from, by path.
    var owners: [String: String] { Dictionary(files.map { ($0.path, $0.package) }, uniquingKeysWith: { first, _ in first }) }

    private static func library(_ name: String, neededBy user: File, _ roots: [String: URL]) throws(ImageError) -> File {
        let folder = "lib/x86_64-linux-gnu/"
        for (package, root) in roots.sorted(by: { $0.key < $1.key }) {
            for place in [folder, "usr/" + folder] {
                guard let content = try? read(root.appendingPathComponent(place + name)) else { continue }
                // The loader is named by its whole path (x86-64 psABI, 5.2.1).
                return File(path: (name.hasPrefix("ld-linux-") ? "lib64/" : folder) + name, content: content, package: package)
            }
        }
        throw ImageError(
            .badInput, "\(name), which \(user.path) of the package \(user.package) needs, is in no package of the lock: add the line "
                + "want PACKAGE to firmware/subnet-manager.lock and run vsmp image lock --update")
    }

    /// Names of the shared libraries and of the loader (System V ABI, chapter 5: DT_NEEDED is 1).
    private static func needs(of elf: Data) -> [String]? {
        guard let dynamic = elfSection(".dynamic", of: elf).map(Array.init), let strings = elfSection(".dynstr", of: elf).map(Array.init) else { return nil }
        func number(_ offset: Int) -> Int { Int(truncatingIfNeeded: dynamic[offset..<offset + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) }
        func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
        let names = stride(from: 0, to: dynamic.count - 15, by: 16).filter { number($0) == 1 }.map { text(strings.dropFirst(max(0, number($0 + 8)))) }
        let loader = elfSection(".interp", of: elf).map { text(ArraySlice($0)) }?.split(separator: "/").last.map(String.init)
        return names + (loader.map { [$0] } ?? [])
    }
}
