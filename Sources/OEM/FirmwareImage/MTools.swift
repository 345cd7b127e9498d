internal import Contract
internal import Disk
internal import Foundation

/// Runs mtools and mkfs.fat in a private folder, where the volume and what goes into it have plain names, and with settings that are
/// always the same: no character of a host's path means anything, and nobody's mtools.conf changes a byte.
struct MTools {
    private static let image = "image"
    private let scratch: Scratch
    /// What mcopy is told to copy, and what it reads.
    let source: String
    private var input: [UInt8] = []

    /// - Parameter volume: path of the stick or file.
    init(volume: String, source: FATVolume.Content?) throws(DiskError) {
        do {
            let scratch = try Scratch("mtools")
            self.scratch = scratch
            let manager = FileManager.default
            func link(_ name: String, to path: String) throws {
                try manager.createSymbolicLink(
                    atPath: scratch.url.path + "/" + name, withDestinationPath: path.hasPrefix("/") ? path : manager.currentDirectoryPath + "/" + path)
            }
            try link(Self.image, to: volume)
            switch source {
            case .file(let path)?:
                self.source = "source"
                try link("source", to: path)
            case .bytes(let bytes)?:
                self.source = "-"
                input = bytes
            case nil: self.source = ""
            }
        } catch let error as ImageError {
            throw DiskError(error.exitStatus, error.description)
        } catch {
            throw DiskError(.cannotCreate, "cannot prepare a change of \(volume): \(error.localizedDescription)")
        }
    }

    /// What `-i` takes for a file system at `offset` bytes.
    func place(_ offset: Int) -> String { "\(Self.image)@@\(offset)" }

    func run(_ tool: String, _ arguments: [String], changing volume: String) throws(DiskError) {
        do throws(ImageError) {
            try HostTool.run(
                tool, arguments, input: Data(input), in: scratch.url, settings: ["HOME": scratch.url.path, "MTOOLSRC": "/dev/null"])
        } catch {
            throw DiskError(error.exitStatus, "cannot change \(volume): \(error)")
        }
    }
}
