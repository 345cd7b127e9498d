import Contract
import BoardSupport
import Disk
import Foundation
import Platform

@testable import Provisioning

/// A folder that disappears with the test.
final class ScratchFolder: Sendable {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "/vsmp-stick-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ text: String) throws { try write(name, Data(text.utf8)) }

    func write(_ name: String, _ data: Data) throws {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: url)
    }

    func link(_ name: String, to target: String) throws {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: url.path, withDestinationPath: target)
    }
}

@discardableResult
func runTool(_ name: String, _ arguments: [String]) throws -> String {
    String(decoding: try HostProgram(name).run(arguments), as: UTF8.self)
}

/// A small image with the partitions of a real one: BIOS boot code, a filled system partition, an empty configuration.
struct TestImage {
    static let configurationOffset = 4 << 20
    static let configurationSize = 16 << 20
    static let size = 21 << 20
    let scratch = ScratchFolder()
    var path: String { scratch.path + "/image" }

    init() throws {
        var content = Data(count: Self.size)
        for index in 0..<(2 << 20) { content[(2 << 20) + index] = UInt8(truncatingIfNeeded: index &* 7 ^ index >> 9) }
        content[0] = 0xEB
        try scratch.write("image", content)
        try scratch.write(
            "script",
            """
            label: gpt
            unit: sectors
            first-lba: 34

            start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name="VSMP-BIOS"
            start=4096, size=4096, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="VSMP-BOOT"
            start=8192, size=32768, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name="VSMP-CONFIG"

            """)
        try runTool("sh", ["-c", "PATH=$PATH:/usr/sbin sfdisk -q --no-tell-kernel '\(path)' < '\(scratch.path)/script'"])
    }

    /// Makes the system partition a FAT file system that holds these files.
    func fillBootPartition(_ files: [String: FATVolume.Content]) throws {
        let volume = scratch.path + "/boot.fat"
        try FATVolume.create(at: volume, size: 2 << 20, bits: 12, label: "VSMP-BOOT", volumeNumber: "1234").put(files)
        let store = try FileStore(changing: path)
        try store.write(try bytes(of: volume), at: 2 << 20)
        try store.flush()
    }

    func bytes(of path: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) }
}

func testKit(nodes: Int = 2) throws -> Kit {
    try Kit(id: "kit-test", nodes: nodes, key: try clusterKey(String(repeating: "0123456789abcdef", count: 4)))
}

private func clusterKey(_ text: String) throws -> ClusterKey {
    guard let key = ClusterKey(hexadecimal: text.utf8) else { throw CancellationError() }
    return key
}

extension SharedImage {
    /// All of an image.
    convenience init(_ path: String) throws {
        let store = try FileStore(reading: path)
        let map = try BlockMap(of: store)
        self.init(store, map: map)
    }
}
