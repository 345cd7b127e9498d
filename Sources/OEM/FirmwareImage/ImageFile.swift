internal import Contract
public import Disk
internal import Foundation
internal import Platform

/// An image or stick that somebody named: its bytes, and its partition table. What is packed, or comes through a pipe, lies in a temporary file
/// that goes with the value.
public struct ImageFile: Sendable {
    /// What it was called.
    public let name: String
    public let partitionTable: GUIDPartitionTable
    /// Where the bytes lie.
    package let path: String
    /// The file or disk that was named; nil for what came through a pipe.
    package let source: String?
    private let folder: TemporaryFolder?
    private let isDirect: Bool

    /// Opens a plain file, a disk, a pipe, or with `-` standard input. What was packed with zstd, xz or gzip, by its content, is unpacked.
    ///
    /// - Parameter direct: read the medium itself instead of what the page cache remembers of it.
    public init(_ name: String, direct: Bool = false) throws(ImageError) {
        isDirect = direct
        self.name = name == "-" ? "standard input" : name
        let unpacking = try ImageUnpacking(name)
        (path, source, folder) = (unpacking.path, unpacking.source, unpacking.folder)
        let store = try onDisk { () throws(DiskError) in try FileStore(reading: unpacking.path, direct: direct) }
        do throws(GUIDPartitionTable.ReadError) {
            partitionTable = try GUIDPartitionTable(store)
        } catch {
            throw ImageError(.badInput, "\(self.name) is no vSMP image: \(error)")
        }
    }

    /// Whether the bytes are those of what was named, so that a change arrives there.
    package var isPlain: Bool { folder == nil }

    /// What a person should know although the image can be read.
    public var warning: String? {
        partitionTable.damage.map { "\(name): of its partition table \($0): mend it with vsmp usb repair" }
    }

    /// The FAT file system of a partition, or nil.
    package func volume(_ partition: String) -> FATVolume? { partitionTable.partition(named: partition).map { FATVolume($0, of: path, shownAs: name, direct: isDirect) } }

    func bytes(at offset: Int, count: Int) throws(ImageError) -> Data {
        Data(
            try onDisk { () throws(DiskError) in
                let store = try FileStore(reading: path, direct: isDirect)
                return try store.read(at: offset, count: min(count, max(0, store.byteCount - offset)))
            })
    }
}
