internal import Bytes

extension GUIDPartitionTable {
    /// Bytes to write at an offset of a disk.
    package struct Piece: Sendable, Equatable {
        package let offset: Int
        package let bytes: [UInt8]
    }

    /// Bytes behind the last partition that the backup takes on a disk.
    package var backupSize: Int { (entrySectors(sectorSize) + 1) * sectorSize }

    private func entrySectors(_ sector: Int) -> Int { (copy.entries.count + sector - 1) / sector }

    /// Makes the last partition end `size` bytes after its start; a whole number of sectors.
    package mutating func resizeLast(to size: Int) {
        guard let last = partitions.max(by: { $0.offset < $1.offset }) else { return }
        copy.resize(last, to: size)
    }

    /// The same table for a disk of `diskSize` bytes: header and entries behind the protective record, and entries and header at the very end.
    package func pieces(forDiskSize diskSize: Int) -> (primary: Piece, backup: Piece) { pieces(copy.entries, forDiskSize: diskSize, sectorSize: sectorSize) }

    /// The same for a disk with sectors of another size.
    ///
    /// - Returns: nil where a partition does not begin and end with such a sector.
    package func pieces(forDiskSize diskSize: Int, sectorSize: Int) -> (primary: Piece, backup: Piece)? {
        copy.entries(sectorSize: sectorSize).map { pieces($0, forDiskSize: diskSize, sectorSize: sectorSize) }
    }

    private func pieces(_ converted: [UInt8], forDiskSize diskSize: Int, sectorSize sector: Int) -> (primary: Piece, backup: Piece) {
        let last = diskSize / sector - 1
        let (headerSize, entrySectors) = (Int(copy.header.number(12, 4)), entrySectors(sector))
        func header(at own: Int, other: Int, entries: Int) -> [UInt8] {
            var header = [UInt8](repeating: 0, count: sector)
            header.replaceSubrange(..<headerSize, with: copy.header[..<headerSize])
            header.setNumber(24, 8, UInt64(own))
            header.setNumber(32, 8, UInt64(other))
            if sector != sectorSize { header.setNumber(40, 8, UInt64(2 + entrySectors)) }
            header.setNumber(48, 8, UInt64(last - entrySectors - 1))
            header.setNumber(72, 8, UInt64(entries))
            header.setNumber(88, 4, UInt64(CRC32.checksum(converted)))
            header.setNumber(16, 4, UInt64(TableCopy.checksum(header, headerSize)))
            return header
        }
        let entries = converted + [UInt8](repeating: 0, count: entrySectors * sector - converted.count)
        return (
            Piece(offset: sector, bytes: header(at: 1, other: last, entries: 2) + entries),
            Piece(offset: (last - entrySectors) * sector, bytes: entries + header(at: last, other: 1, entries: last - entrySectors))
        )
    }

    /// The first sector with a protective record for the whole disk (UEFI specification 2.10, section 5.2.3); the boot code before it stays.
    package static func protect(_ sector: [UInt8], diskSize: Int, sectorSize: Int) -> [UInt8] {
        var record = sector
        let sectors = min(UInt64(diskSize / sectorSize - 1), UInt64(UInt32.max))
        for entry in stride(from: 446, to: 510, by: 16) where record.number(510, 2) == 0xAA55 && record[entry + 4] == 0xEE {
            record.setNumber(entry + 12, 4, sectors)
            return record
        }
        record.replaceSubrange(446..<512, with: [UInt8](repeating: 0, count: 66))
        record.replaceSubrange(446..<454, with: [0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF])
        record.setNumber(454, 4, 1)
        record.setNumber(458, 4, sectors)
        record.setNumber(510, 2, 0xAA55)
        return record
    }

    /// Makes both copies and the protective record whole, from the copy that was read. A cut at any time leaves one copy whole.
    package func repair(_ store: inout some BlockStore & ~Copyable) throws(DiskError) {
        let (primary, backup) = pieces(forDiskSize: store.byteCount)
        let record = Self.protect(try store.read(at: 0, count: sectorSize), diskSize: store.byteCount, sectorSize: sectorSize)
        let first = Piece(offset: 0, bytes: record + primary.bytes)
        // The copy that cannot be used first; the other one stays as it is till then.
        for piece in isPrimaryDamaged ? [first, backup] : [backup, first] {
            try store.write(piece.bytes, at: piece.offset)
            try store.flush()
        }
    }

    private var isPrimaryDamaged: Bool { if case .primary? = damage { true } else { false } }
}
