internal import Contract

/// The blocks of an image that have to be on a stick: what has a meaning there, and everything that is not zero.
///
/// A block in the map is written, also where it is zero: a stick may hold something else there. A block outside of it is zero in the image, and
/// whatever a stick holds there means nothing. So the map's blocks alone make of any stick one that reads as the image does, and of zeros the image.
package struct BlockMap: Sendable, Equatable {
    /// Bytes of a block, as in bmap files.
    package static let blockSize = 4096

    /// In bytes: in order, apart from each other, on whole blocks except for the image's end.
    package private(set) var ranges: [Range<Int>] = []
    /// Of the whole image.
    package let imageSize: Int

    /// Bytes in the map.
    package var mappedBytes: Int { ranges.reduce(0) { $0 + $1.count } }

    /// - Parameter image: a disk with a partition table. All of it is read.
    /// - Throws: when there is no partition table, or something cannot be read.
    package init(of image: borrowing some BlockStore & ~Copyable) throws(DiskError) {
        try self.init(meaningOf: image)
        try addWhatIsNotZero(in: image)
    }

    /// What has a meaning alone: everything before the first partition, of each FAT file system its tables, folders and files, the whole of every
    /// other partition and of a FAT file system that is damaged, and the backup of the partition table. Free clusters and the room between
    /// partitions may be other than zero.
    ///
    /// - Parameter disk: an image, or a stick, of which no more is read than its tables and folders.
    package init(meaningOf disk: borrowing some BlockStore & ~Copyable) throws(DiskError) {
        let table: GUIDPartitionTable
        do throws(GUIDPartitionTable.ReadError) { table = try GUIDPartitionTable(disk) } catch { throw DiskError(.badInput, error.description) }
        imageSize = disk.byteCount
        var parts = [0..<(table.partitions.map(\.offset).min() ?? imageSize), imageSize - table.backupSize..<imageSize]
        for partition in table.partitions { parts += Self.meaning(of: partition.offset..<partition.offset + partition.size, of: disk) }
        add(parts)
    }

    /// The map of one partition, in the same bytes as that of the whole.
    ///
    /// - Parameters:
    ///   - partition: its bytes in `store`; the whole of one that holds nothing else.
    package init(ofPartition partition: Range<Int>, in store: borrowing some BlockStore & ~Copyable) throws(DiskError) {
        imageSize = store.byteCount
        add(Self.meaning(of: partition, of: store))
        try addWhatIsNotZero(in: store, partition)
    }

    private static func meaning(of partition: Range<Int>, of store: borrowing some BlockStore & ~Copyable) -> [Range<Int>] {
        guard let table = try? FATTable(reading: store, at: partition.lowerBound, name: ""), table.geometry.byteCount <= partition.count,
            let parts = try? table.meaning(in: store)
        else { return [partition] }
        return parts
    }

    /// The part of the map within `bytes`, cut at its ends.
    package func ranges(within bytes: Range<Int>) -> [Range<Int>] { ranges.map { $0.clamped(to: bytes) }.filter { !$0.isEmpty } }

    /// Takes out what shall not be copied.
    ///
    /// - Parameter bytes: whole blocks.
    package mutating func remove(_ bytes: Range<Int>) { ranges = ranges(within: 0..<bytes.lowerBound) + ranges(within: bytes.upperBound..<imageSize) }

    /// What lies between the ranges, up to the ends of `bytes`.
    private func gaps(within bytes: Range<Int>) -> [Range<Int>] {
        var gaps: [Range<Int>] = []
        var start = bytes.lowerBound
        for range in ranges(within: bytes) {
            if start < range.lowerBound { gaps.append(start..<range.lowerBound) }
            start = range.upperBound
        }
        return start < bytes.upperBound ? gaps + [start..<bytes.upperBound] : gaps
    }

    private mutating func addWhatIsNotZero(in store: borrowing some BlockStore & ~Copyable, _ bytes: Range<Int>? = nil) throws(DiskError) {
        var found: [Range<Int>] = []
        for gap in gaps(within: bytes ?? 0..<imageSize) {
            for start in stride(from: gap.lowerBound, to: gap.upperBound, by: FileStore.chunk) {
                let piece = try store.read(at: start, count: min(FileStore.chunk, gap.upperBound - start))
                guard !piece.isZero else { continue }
                for offset in stride(from: 0, to: piece.count, by: Self.blockSize) {
                    let end = min(offset + Self.blockSize, piece.count)
                    if !Array(piece[offset..<end]).isZero { found.append(start + offset..<start + end) }
                }
            }
        }
        add(found)
    }

    /// Rounds to whole blocks, and joins what touches.
    private mutating func add(_ parts: [Range<Int>]) {
        let size = Self.blockSize
        let whole = parts.filter { !$0.isEmpty }.map { part in
            part.lowerBound / size * size..<min(imageSize, (part.upperBound + size - 1) / size * size)
        }
        var joined: [Range<Int>] = []
        for range in (ranges + whole).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, range.lowerBound <= last.upperBound {
                joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        ranges = joined
    }
}
