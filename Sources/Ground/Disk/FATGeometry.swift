/// Where the tables, folders and clusters of a FAT file system lie, in bytes from its start (Microsoft, "FAT: General Overview of On-Disk
/// Format", BPB and FAT type determination).
package struct FATGeometry: Sendable, Equatable {
    package static let firstCluster = 2
    static let entrySize = 32

    /// 12, 16 or 32.
    package let bits: Int
    package let clusterSize: Int
    package let clusterCount: Int
    let tableStart: Int
    let tableSize: Int
    let tableCount: Int
    /// The root folder of FAT12 and FAT16, which is no chain of clusters.
    let rootStart: Int
    let rootSize: Int
    /// The root folder of FAT32.
    let rootCluster: Int
    private let dataStart: Int
    /// Of the whole file system.
    let byteCount: Int

    /// Nil for anything but a FAT file system's first sector.
    package init?(bootSector: [UInt8]) {
        guard bootSector.count == 512, bootSector.number(510, 2) == 0xAA55 else { return nil }
        func field(_ offset: Int, _ count: Int) -> Int { Int(bootSector.number(offset, count)) }
        let sector = field(11, 2)
        let sectorsPerCluster = Int(bootSector[13])
        guard [512, 1024, 2048, 4096].contains(sector), sectorsPerCluster.nonzeroBitCount == 1 else { return nil }
        let sectors = field(19, 2) == 0 ? field(32, 4) : field(19, 2)
        let tableSectors = field(22, 2) == 0 ? field(36, 4) : field(22, 2)
        byteCount = sectors * sector
        clusterSize = sector * sectorsPerCluster
        tableStart = field(14, 2) * sector
        tableCount = Int(bootSector[16])
        tableSize = tableSectors * sector
        rootStart = tableStart + tableCount * tableSize
        rootSize = (field(17, 2) * Self.entrySize + sector - 1) / sector * sector
        dataStart = rootStart + rootSize
        guard tableStart > 0, (1...2).contains(tableCount), tableSize > 0, dataStart < byteCount else { return nil }
        clusterCount = (byteCount - dataStart) / clusterSize
        bits = clusterCount < 4085 ? 12 : clusterCount < 65525 ? 16 : 32
        guard (clusterCount + Self.firstCluster) * bits <= tableSize * 8, (bits == 32) == (rootSize == 0) else { return nil }
        rootCluster = bits == 32 ? field(44, 4) : 0
    }

    package func offset(ofCluster number: Int) -> Int { dataStart + (number - Self.firstCluster) * clusterSize }

    /// Where each copy of a FAT16 or FAT32 table says what follows a cluster.
    package func entries(ofCluster number: Int) -> [Int] { (0..<tableCount).map { tableStart + $0 * tableSize + number * bits / 8 } }

    /// What such a place says of a chain's last cluster.
    var endMark: [UInt8] { bits == 16 ? [0xFF, 0xFF] : [0xFF, 0xFF, 0xFF, 0x0F] }

    func isCluster(_ number: Int) -> Bool { number >= Self.firstCluster && number < clusterCount + Self.firstCluster }

    /// What the table, as read from its first copy, says about a cluster.
    func next(of number: Int, in table: [UInt8]) -> Int {
        switch bits {
        case 12:
            let pair = Int(table.number(number + number / 2, 2))
            return number & 1 == 0 ? pair & 0xFFF : pair >> 4
        case 16: return Int(table.number(number * 2, 2))
        default: return Int(table.number(number * 4, 4)) & 0x0FFF_FFFF
        }
    }

    /// Whether the table's value means that a file ends here.
    func isEnd(_ value: Int) -> Bool { value >= (1 << min(bits, 28)) - 8 }
}
