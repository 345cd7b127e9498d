import Contract
import Foundation
import TestSupport
import Testing

@testable import FirmwareImage

/// opensm's place is taken by a program of this computer, which needs the C library and its loader.
struct SubnetManagerTests {
    private let scratch = ScratchFolder()
    private var folder: URL { URL(fileURLWithPath: scratch.path) }

    private func roots(without missing: String = "") throws -> [String: URL] {
        let files = [
            ("opensm", "usr/sbin/opensm", "/usr/bin/dtc"),
            ("libyaml-0-2", "usr/lib/x86_64-linux-gnu/libyaml-0.so.2", "/usr/lib/x86_64-linux-gnu/libyaml-0.so.2"),
            ("libc6", "lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"),
            ("libc6", "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        ]
        var roots: [String: URL] = [:]
        for (package, path, file) in files where package != missing {
            roots[package] = folder.appendingPathComponent(package)
            let place = folder.appendingPathComponent(package + "/" + path)
            try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            if !FileManager.default.fileExists(atPath: place.path) { try Data(contentsOf: URL(fileURLWithPath: file)).write(to: place) }
        }
        return roots
    }

    @Test func theProgramComesWithItsLibrariesAndItsLoader() throws {
        let manager = try SubnetManager(roots: roots())
        #expect(
            manager.owners == [
                "sbin/opensm": "opensm", "lib/x86_64-linux-gnu/libyaml-0.so.2": "libyaml-0-2",
                "lib/x86_64-linux-gnu/libc.so.6": "libc6", "lib64/ld-linux-x86-64.so.2": "libc6",
            ])
        var archive = NewcArchive()
        manager.add(to: &archive, configuration: "sweep_interval 2\n")
        #expect(archive.entries["etc/vsmp/opensm.conf"] == .file(Data("sweep_interval 2\n".utf8), permissions: 0o644))
        #expect(archive.entries.keys.filter { manager.owners[$0] != nil }.count == 4)
    }

    @Test(arguments: [("opensm", "no package opensm is locked"), ("libyaml-0-2", "libyaml-0.so.2, which sbin/opensm of the package opensm needs, is in no package of the lock")])
    func whatIsMissingIsNamed(package: String, words: String) throws {
        let roots = try roots(without: package)
        let error = imageError { _ = try SubnetManager(roots: roots) }
        #expect(error?.exitStatus == .badInput && error?.description.contains(words) == true, "\(String(describing: error))")
    }

    @Test func locksAreJoinedUnlessTheyContradict() throws {
        func lock(_ lines: String) throws -> PackageLock { try PackageLock(text: lines, origin: "test") }
        let digest = String(repeating: "a", count: 64), other = String(repeating: "b", count: 64)
        let first = try lock("want a\npackage a 1 amd64 \(digest) a 1\n")
        #expect(try first.joined(with: lock("want b\npackage b 1 amd64 \(digest) b 1\npackage a 1 amd64 \(digest) a 1\n")).packages.map(\.name) == ["a", "b"])
        let error = imageError { _ = try first.joined(with: lock("package a 2 amd64 \(other) a 2\n")) }
        #expect(error?.description.contains("different builds of a") == true)
    }
}
