internal import Contract
public import Disk
internal import BoardSupport
internal import Foundation

/// An image or stick that somebody named: its bytes, and its partition table.
public struct ImageFile: Sendable {
    /// What it was called.
    public let name: String
    public let partitionTable: GUIDPartitionTable
    /// Where the bytes lie.
    package let path: String
    /// The file or disk that was named; nil for standard input.
    package var source: String? { path }

    /// Opens a plain file or a disk.
    public init(_ name: String) throws(ImageError) {
        self.name = name
        path = name
        let store = try onDisk { () throws(DiskError) in try FileStore(reading: name, direct: false) }
        do throws(GUIDPartitionTable.ReadError) {
            partitionTable = try GUIDPartitionTable(store)
        } catch {
            throw ImageError(.badInput, "\(name) is no vSMP image: \(error)")
        }
    }

    /// The FAT file system of a partition, or nil.
    package func volume(_ partition: String) -> FATVolume? { partitionTable.partition(named: partition).map { FATVolume($0, of: path, shownAs: name) } }

    func bytes(at offset: Int, count: Int) throws(ImageError) -> Data {
        Data(
            try onDisk { () throws(DiskError) in
                let store = try FileStore(reading: path, direct: false)
                return try store.read(at: offset, count: min(count, max(0, store.byteCount - offset)))
            })
    }
}
