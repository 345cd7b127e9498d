internal import Platform
internal import BoardSupport
internal import Disk

/// Marks of LVM, RAID and LUKS on a disk that nothing has activated yet.
enum StorageSignature {
    /// Partition types that say the content belongs to a larger whole (UAPI group, Discoverable Partitions; UEFI 5.3.3).
    private static let types = [
        "E6D6D379-F507-44C2-A23C-238F2A3DF928": "LVM", "A19D880F-05FC-4D3B-A006-743F0F84911E": "RAID",
        "CA7D7CCB-63ED-4C53-861C-1742536059CC": "LUKS",
    ]

    /// Descriptions such as `LUKS on sdb1`, without duplicates; empty when the disk cannot be read.
    static func find(
        on path: String, size: Int, parts: [(name: String, offset: Int, size: Int)], name: String, files: SystemFiles
    ) -> [String] {
        guard size > 0, let disk = try? FileStore(reading: files.root + path) else { return [] }
        func read(_ offset: Int, _ count: Int) -> [UInt8]? { try? disk.read(at: offset, count: count) }
        var found: [String] = []
        func add(_ text: String) { if !found.contains(text) { found.append(text) } }
        for part in [(name: name, offset: 0, size: size)] + parts {
            if let kind = kind(at: part.offset, size: part.size, read: read) { add("\(kind) on \(part.name)") }
        }
        if let table = try? GUIDPartitionTable(disk) {
            for partition in table.partitions {
                guard let kind = types[partition.type] else { continue }
                add("\(kind) on \(parts.first { $0.offset == partition.offset }?.name ?? name)")
            }
        } else if let record = read(0, 512), record[510] == 0x55, record[511] == 0xAA {
            for entry in 0..<4 {
                let kind = [0x8E: "LVM", 0xFD: "RAID"][Int(record[446 + entry * 16 + 4])]
                if let kind { add("\(kind) on \(name)") }
            }
        }
        return found
    }

    private static func kind(at start: Int, size: Int, read: (Int, Int) -> [UInt8]?) -> String? {
        guard size >= 8192, let head = read(start, 8192) else { return nil }
        if head.starts(with: Array("LUKS".utf8) + [0xBA, 0xBE]) { return "LUKS" }
        // The label is in one of the first four sectors (lvm2, label.h).
        for sector in 0..<4 where head[(sector * 512)...].starts(with: "LABELONE".utf8) { return "LVM" }
        // md superblocks: version 1.1 at 0, 1.2 at 4 KiB, 1.0 and 0.90 near the end (Documentation/driver-api/md).
        let ends = [(size / 512 - 16) & ~7, (size / 65536 - 1) * 128].filter { $0 > 0 }.map { start + $0 * 512 }
        for offset in [start, start + 4096] + ends where read(offset, 4)?.number(0, 4) == 0xA92B_4EFC { return "RAID" }
        return nil
    }
}
