import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

/// The repository's root, found from this file.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// A kernel module as far as the image builder looks into one: an ELF64 file with a section `.modinfo`.
func moduleFile(depends: [String] = [], parameters: [String] = [], soft: String? = nil) -> Data {
    var information = Data("license=GPL\0depends=\(depends.joined(separator: ","))\0".utf8)
    for name in parameters { information += Data("parmtype=\(name):bool\0".utf8) }
    if let soft { information += Data("softdep=\(soft)\0".utf8) }
    let names = Data("\0.modinfo\0.shstrtab\0".utf8)

    func number(_ value: Int, _ size: Int) -> Data { Data((0..<size).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }) }
    func section(name: Int, offset: Int, size: Int) -> Data {
        number(name, 4) + number(1, 4) + number(0, 16) + number(offset, 8) + number(size, 8) + number(0, 24)
    }
    let table = 64 + information.count + names.count
    var header = Data([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]) + Data(count: 9)
    header += number(1, 2) + number(62, 2) + number(1, 4) + number(0, 16) + number(table, 8) + number(0, 4)
    header += number(64, 2) + number(0, 4) + number(64, 2) + number(3, 2) + number(2, 2)
    return header + information + names + section(name: 0, offset: 0, size: 0)
        + section(name: 1, offset: 64, size: information.count)
        + section(name: 10, offset: 64 + information.count, size: names.count)
}

/// A folder with the given files.
func folder(_ files: [String: Data]) throws -> Scratch {
    let scratch = try Scratch("test")
    for (path, content) in files { try write(content, to: scratch.url.appendingPathComponent(path)) }
    return scratch
}

/// A package source that offers given files instead of asking apt.
struct ShelfSource: PackageSource {
    var shelf: [LockedPackage: Data] = [:]

    func resolve(_ name: String) throws(ImageError) -> LockedPackage {
        guard let package = shelf.keys.filter({ $0.name.hasPrefix(name) }).max(by: { $0.version < $1.version }) else {
            throw ImageError(.unavailable, "no package \(name)")
        }
        return package
    }

    func download(_ package: LockedPackage, into directory: URL) throws(ImageError) -> URL {
        guard let content = shelf[package] else {
            throw ImageError(.unavailable, "\(package.name) \(package.version) is not offered any more")
        }
        let file = directory.appendingPathComponent("\(package.name).deb")
        try write(content, to: file)
        return file
    }
}

func locked(_ name: String, _ content: Data, version: String = "1.0-1") -> LockedPackage {
    LockedPackage(
        name: name, version: version, architecture: "amd64", digest: ContentDigest(of: content), source: name,
        sourceVersion: version)
}

/// The error that `body` throws.
func imageError(_ body: () throws -> Void) -> ImageError? {
    do {
        try body()
        return nil
    } catch {
        return error as? ImageError
    }
}
