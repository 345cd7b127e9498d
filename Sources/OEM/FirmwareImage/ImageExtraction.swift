import Contract
public import Foundation
internal import BoardSupport

/// What `ImageReader.extract` did.
public struct ImageExtraction: Equatable, Sendable {
    /// Files and symbolic links, named as in the image.
    public let written: [String]
    /// Devices, which are not made because that needs root.
    public let leftOut: [String]
}

extension ImageReader {
    /// The names of the bank's files, the manifest included.
    public var bootFiles: [String] { (manifest.files.map(\.name) + [BootFiles.manifest]).sorted() }

    /// Writes boot files to `folder/boot` and files of the root file system to `folder/root`, each checked against the
    /// manifest.
    ///
    /// The folder appears in one step when everything is written. Nothing is written outside it, whatever the names in
    /// the image are.
    ///
    /// - Parameters:
    ///   - paths: files or folders, boot files without and root files with a leading slash; none means everything.
    ///   - folder: must not exist, or be empty.
    public func extract(_ paths: [String] = [], to folder: URL) throws(ImageError) -> ImageExtraction {
        let boot = bootFiles.filter { Self.isSelected($0, by: paths) }
        let root = try rootArchive().entries.filter { Self.isSelected("/" + $0.key, by: paths) }
        for path in paths where !(boot + root.keys.map { "/" + $0 }).contains(where: { Self.isSelected($0, by: [path]) }) {
            throw ImageError(.missingInput, "\(name) holds no \(path): vsmp image ls --files lists what it holds")
        }

        var leftOut: [String] = []
        try makeFolder(folder) { partial throws(ImageError) in
            for path in boot {
                let place = try Self.place(path, in: partial.appendingPathComponent("boot"))
                try write(try checkedContents(of: path), to: place)
            }
            leftOut = try Self.writeEntries(root, to: partial.appendingPathComponent("root"))
        }
        let written = root.filter { $0.value != .directory }.keys.map { "/" + $0 }
        return ImageExtraction(written: (boot + written).filter { !leftOut.contains($0) }.sorted(), leftOut: leftOut)
    }

    private func checkedContents(of path: String) throws(ImageError) -> Data {
        let content = try contents(of: path)
        if let stated = manifest.files.first(where: { $0.name == path }), ImageManifest.Part(path, content) != stated {
            throw ImageError(.inputOutput, "\(name): \(path) is not what the manifest says: the image is damaged")
        }
        return content
    }

    static func isSelected(_ path: String, by wishes: [String]) -> Bool {
        wishes.isEmpty
            || wishes.contains { wish in
                let folder = wish.hasSuffix("/") ? wish : wish + "/"
                return path == wish || path + "/" == folder || path.hasPrefix(folder)
            }
    }

    /// `path` below `folder`; refused unless each of its parts is a plain name.
    private static func place(_ path: String, in folder: URL) throws(ImageError) -> URL {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." && !$0.utf8.contains(0) }) else {
            throw ImageError(.badInput, "the image holds the name \"\(path)\", which could lead out of the folder: nothing is written")
        }
        return folder.appendingPathComponent(path)
    }

    /// Symbolic links come last, so that nothing is ever written through one. Returns the devices.
    static func writeEntries(_ entries: [String: NewcArchive.Entry], to folder: URL) throws(ImageError) -> [String] {
        var leftOut: [String] = []
        var links: [(place: URL, target: String)] = []
        do {
            for (path, entry) in entries.sorted(by: { $0.key < $1.key }) {
                let place = try place(path, in: folder)
                var parent = path
                while let slash = parent.lastIndex(of: "/") {
                    parent = String(parent[..<slash])
                    guard (entries[parent] ?? .directory) == .directory else {
                        throw ImageError(.badInput, "the image holds /\(path) below /\(parent), which is no folder: nothing is written")
                    }
                }
                switch entry {
                case .directory: try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                case .file(let content, let permissions):
                    try FirmwareImage.write(content, to: place)
                    try FileManager.default.setAttributes(
                        [.posixPermissions: Int(permissions & 0o777)], ofItemAtPath: place.path)
                case .symbolicLink(let target): links.append((place, target))
                case .characterDevice: leftOut.append("/" + path)
                }
            }
            for (place, target) in links {
                try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
                try FileManager.default.createSymbolicLink(atPath: place.path, withDestinationPath: target)
            }
            return leftOut
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(.cannotCreate, "cannot write below \(folder.path): \(error.localizedDescription)")
        }
    }
}
