import Contract
import Bytes
public import Foundation
internal import BoardSupport

/// A GUID partition table with 512-byte sectors (UEFI specification 2.10, section 5.3), read with both checksums
/// verified and every field checked against the disk.
public struct GUIDPartitionTable: Sendable, Equatable {
    public struct Partition: Sendable, Equatable {
        /// From 1, as Linux counts.
        public var number: Int
        /// Type UUID in upper case.
        public var type: String
        public var name: String
        /// First byte and number of bytes.
        public var offset: Int
        public var size: Int
    }

    public enum ReadError: Error, Equatable, CustomStringConvertible {
        case unreadable
        case noSignature
        case badField(String)
        case badChecksum(String)

        public var description: String {
            switch self {
            case .unreadable: "the partition table cannot be read"
            case .noSignature: "there is no GUID partition table"
            case .badField(let field): "the partition table's \(field) is out of range"
            case .badChecksum(let part): "the checksum of the partition table's \(part) is wrong"
            }
        }
    }

    public static let sectorSize = 512
    /// Largest number of entries that is read; tools write 128.
    static let maximumEntries = 1024

    /// Used entries in the order of the table.
    public private(set) var partitions: [Partition]
    /// The header's sector, the raw entries, and the disk's size as the header sees it.
    private var header: [UInt8]
    private var entries: [UInt8]
    private var sectors: Int

    /// Reads the primary table.
    ///
    /// - Parameters:
    ///   - diskSize: bytes of the disk or image.
    ///   - read: returns exactly the bytes asked for (offset, count), or nil.
    public init(diskSize: Int, read: (Int, Int) -> [UInt8]?) throws(ReadError) {
        let sector = Self.sectorSize
        sectors = diskSize / sector
        guard sectors >= 68, let bytes = read(sector, sector), bytes.count == sector else { throw .unreadable }
        guard bytes.starts(with: "EFI PART".utf8) else { throw .noSignature }
        header = bytes
        let headerSize = Int(bytes.number(12, 4))
        guard bytes.number(8, 4) == 0x0001_0000 else { throw .badField("revision") }
        guard (92...sector).contains(headerSize) else { throw .badField("header size") }
        guard Self.headerChecksum(bytes, headerSize) == UInt32(bytes.number(16, 4)) else {
            throw .badChecksum("header")
        }
        guard bytes.number(24, 8) == 1 else { throw .badField("own address") }
        let last = UInt64(sectors - 1)
        // The second table is the last thing on a disk: a file that was cut off ends before it.
        guard bytes.number(32, 8) <= last else { throw .badField("second copy") }
        let count = bytes.number(80, 4)
        let entrySize = bytes.number(84, 4)
        let start = bytes.number(72, 8)
        let usable = (bytes.number(40, 8), bytes.number(48, 8))
        guard count >= 1, count <= UInt64(Self.maximumEntries) else { throw .badField("number of entries") }
        guard entrySize == 128 else { throw .badField("entry size") }
        guard start >= 2, start <= last, usable.0 > start, usable.0 <= usable.1, usable.1 < last else {
            throw .badField("usable range")
        }
        guard let raw = read(Int(start) * sector, Int(count * entrySize)), raw.count == Int(count * entrySize) else {
            throw .unreadable
        }
        guard CRC32.checksum(raw) == UInt32(bytes.number(88, 4)) else { throw .badChecksum("entries") }
        entries = raw
        partitions = []
        for index in 0..<Int(count) {
            let entry = Array(raw[index * 128..<(index + 1) * 128])
            guard entry[0..<16].contains(where: { $0 != 0 }) else { continue }
            let (first, final) = (entry.number(32, 8), entry.number(40, 8))
            guard first >= usable.0, final <= usable.1, first <= final else { throw .badField("partition \(index + 1)") }
            let partition = Partition(
                number: index + 1, type: entry.uuid(0), name: entry.name(56, 72), offset: Int(first) * sector,
                size: Int(final - first + 1) * sector)
            let overlap = partitions.contains {
                partition.offset < $0.offset + $0.size && $0.offset < partition.offset + partition.size
            }
            guard !overlap else { throw .badField("partition \(index + 1)") }
            partitions.append(partition)
        }
    }

    /// Reads the primary table of the image or stick `file`.
    public init(of file: URL) throws(ImageError) {
        let handle: FileHandle
        let size: UInt64
        do {
            handle = try FileHandle(forReadingFrom: file)
            size = try handle.seekToEnd()
        } catch {
            throw ImageError(.missingInput, "cannot read \(file.path): \(error.localizedDescription)")
        }
        defer { try? handle.close() }
        do throws(ReadError) {
            try self.init(diskSize: Int(size)) { offset, count in
                guard (try? handle.seek(toOffset: UInt64(offset))) != nil else { return nil }
                return (try? handle.read(upToCount: count)).map { Array($0) }
            }
        } catch {
            throw ImageError(.badInput, "\(file.path) is no vSMP image: \(error)")
        }
    }

    /// The partition whose name is `name`, or nil.
    public func partition(named name: String) -> Partition? { partitions.first { $0.name == name } }

    /// The bytes to write so that the same table fits a disk of `diskSize` bytes: primary header, and second entries
    /// and header at the disk's very end.
    package func relocated(toDiskSize diskSize: Int) -> [(offset: Int, bytes: [UInt8])] {
        let sector = Self.sectorSize
        let last = diskSize / sector - 1
        let entrySectors = (entries.count + sector - 1) / sector
        let headerSize = Int(header.number(12, 4))
        var primary = header
        primary.setNumber(32, 8, UInt64(last))
        primary.setNumber(48, 8, UInt64(last - entrySectors - 1))
        primary.setNumber(16, 4, UInt64(Self.headerChecksum(primary, headerSize)))
        var second = primary
        second.setNumber(24, 8, UInt64(last))
        second.setNumber(32, 8, 1)
        second.setNumber(72, 8, UInt64(last - entrySectors))
        second.setNumber(16, 4, UInt64(Self.headerChecksum(second, headerSize)))
        let padding = [UInt8](repeating: 0, count: entrySectors * sector - entries.count)
        return [(sector, primary), ((last - entrySectors) * sector, entries + padding + second)]
    }

    private static func headerChecksum(_ header: [UInt8], _ size: Int) -> UInt32 {
        var bytes = Array(header.prefix(size))
        bytes.setNumber(16, 4, 0)
        return CRC32.checksum(bytes)
    }
}

extension [UInt8] {
    /// Little-endian number of `count` bytes.
    package func number(_ offset: Int, _ count: Int) -> UInt64 {
        self[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    package mutating func setNumber(_ offset: Int, _ count: Int, _ value: UInt64) {
        for index in 0..<count { self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
    }

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
