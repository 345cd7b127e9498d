internal import Bytes

/// One of the two copies of a partition table: the header's sector, the raw entries, and what they say.
struct TableCopy: Sendable, Equatable {
    enum Place: Sendable {
        case primary, backup
    }

    /// The name of the field that points behind the end of a file that was cut off.
    static let cutOff = "second copy"

    let sectorSize: Int
    private(set) var header: [UInt8]
    private(set) var entries: [UInt8]
    private(set) var partitions: [GUIDPartitionTable.Partition]

    /// - Parameter place: the primary copy has its header in sector 1, the backup in the last one.
    init(_ store: borrowing some BlockStore & ~Copyable, _ place: Place, sectorSize sector: Int) throws(GUIDPartitionTable.ReadError) {
        let sectors = store.byteCount / sector
        guard sectors >= 68 else { throw .unreadable }
        let last = UInt64(sectors - 1)
        let own = place == .primary ? 1 : last
        let bytes = try Self.read(store, at: Int(own) * sector, count: sector)
        guard bytes.starts(with: "EFI PART".utf8) else { throw .noSignature }
        let headerSize = Int(bytes.number(12, 4))
        guard bytes.number(8, 4) == 0x0001_0000 else { throw .badField("revision") }
        guard (92...sector).contains(headerSize) else { throw .badField("header size") }
        guard Self.checksum(bytes, headerSize) == UInt32(bytes.number(16, 4)) else { throw .badChecksum("header") }
        guard bytes.number(24, 8) == own else { throw .badField("own address") }
        // The backup is the last thing on a disk: a file that was cut off ends before it.
        guard bytes.number(32, 8) <= last else { throw .badField(Self.cutOff) }
        let count = bytes.number(80, 4)
        let start = bytes.number(72, 8)
        let usable = (bytes.number(40, 8), bytes.number(48, 8))
        guard count >= 1, count <= UInt64(GUIDPartitionTable.maximumEntries) else { throw .badField("number of entries") }
        guard bytes.number(84, 4) == UInt64(GUIDPartitionTable.entrySize) else { throw .badField("entry size") }
        let length = Int(count) * GUIDPartitionTable.entrySize
        guard start >= 2, start <= last, usable.0 >= UInt64(2 + (length + sector - 1) / sector), usable.0 <= usable.1, usable.1 < last,
            place == .primary ? usable.0 > start : usable.1 < start
        else { throw .badField("usable range") }
        let raw = try Self.read(store, at: Int(start) * sector, count: length)
        guard CRC32.checksum(raw) == UInt32(bytes.number(88, 4)) else { throw .badChecksum("entries") }
        sectorSize = sector
        header = bytes
        entries = raw
        partitions = try Self.partitions(raw, usable, sector)
    }

    private static func read(_ store: borrowing some BlockStore & ~Copyable, at offset: Int, count: Int) throws(GUIDPartitionTable.ReadError) -> [UInt8] {
        do throws(DiskError) { return try store.read(at: offset, count: count) } catch { throw .unreadable }
    }

    private static func partitions(_ raw: [UInt8], _ usable: (UInt64, UInt64), _ sector: Int) throws(GUIDPartitionTable.ReadError) -> [GUIDPartitionTable.Partition] {
        let size = GUIDPartitionTable.entrySize
        var partitions: [GUIDPartitionTable.Partition] = []
        for index in 0..<raw.count / size {
            let entry = Array(raw[index * size..<(index + 1) * size])
            guard entry[0..<16].contains(where: { $0 != 0 }) else { continue }
            let (first, final) = (entry.number(32, 8), entry.number(40, 8))
            guard first >= usable.0, final <= usable.1, first <= final else { throw .badField("partition \(index + 1)") }
            let partition = GUIDPartitionTable.Partition(
                number: index + 1, type: entry.uuid(0), name: entry.name(56, 72), offset: Int(first) * sector, size: Int(final - first + 1) * sector)
            let overlap = partitions.contains { partition.offset < $0.offset + $0.size && $0.offset < partition.offset + partition.size }
            guard !overlap else { throw .badField("partition \(index + 1)") }
            partitions.append(partition)
        }
        return partitions
    }

    static func checksum(_ header: [UInt8], _ size: Int) -> UInt32 {
        var bytes = Array(header.prefix(size))
        bytes.setNumber(16, 4, 0)
        return CRC32.checksum(bytes)
    }

    /// The entries with their addresses in sectors of another size; nil where a partition does not begin and end with such a sector.
    func entries(sectorSize new: Int) -> [UInt8]? {
        var converted = entries
        for partition in partitions {
            guard partition.offset % new == 0, partition.size % new == 0 else { return nil }
            let place = (partition.number - 1) * GUIDPartitionTable.entrySize
            converted.setNumber(place + 32, 8, UInt64(partition.offset / new))
            converted.setNumber(place + 40, 8, UInt64((partition.offset + partition.size) / new - 1))
        }
        return converted
    }

    /// Gives the partition another end.
    mutating func resize(_ partition: GUIDPartitionTable.Partition, to size: Int) {
        entries.setNumber(
            (partition.number - 1) * GUIDPartitionTable.entrySize + 40, 8, UInt64((partition.offset + size) / sectorSize - 1))
        for index in partitions.indices where partitions[index].number == partition.number { partitions[index].size = size }
    }
}

extension [UInt8] {
    /// A UUID whose first three fields are little-endian (UEFI specification 2.10, appendix A).
    fileprivate func uuid(_ offset: Int) -> String {
        let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        var text = ""
        for (index, position) in order.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            let digits = String(self[offset + position], radix: 16, uppercase: true)
            text += digits.count == 1 ? "0" + digits : digits
        }
        return text
    }

    /// UTF-16LE up to the first zero.
    fileprivate func name(_ offset: Int, _ count: Int) -> String {
        let units = stride(from: offset, to: offset + count, by: 2).map { UInt16(number($0, 2)) }
        return String(decoding: units.prefix { $0 != 0 }, as: UTF16.self)
    }
}
