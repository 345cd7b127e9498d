public import Foundation
internal import BoardSupport

/// The GUID partition table of an image or a stick (UEFI specification 2.10, section 5.3), read and checked.
public struct PartitionTable: Equatable, Sendable {
    public struct Partition: Equatable, Sendable {
        /// From 1, as Linux counts.
        public let number: Int
        public let name: String
        /// In bytes from the start of the disk.
        public let start: UInt64
        /// In bytes.
        public let size: UInt64
        /// Upper case.
        public let typeUUID: String
    }

    public let partitions: [Partition]

    /// Reads the primary table of the image `file`.
    ///
    /// - Throws: `badInput` when there is none or a checksum is wrong.
    public init(of file: URL) throws(ImageError) {
        let start: Data
        do {
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            // Sector 0, the header, and 128 entries of 128 bytes.
            start = try handle.read(upToCount: 34 * ImageLayout.sectorSize) ?? Data()
        } catch {
            throw ImageError(.missingInput, "cannot read \(file.path): \(error.localizedDescription)")
        }
        try self.init(firstSectors: start, origin: file.path)
    }

    /// Reads the first 34 sectors of a disk; `origin` names it in errors.
    public init(firstSectors data: Data, origin: String) throws(ImageError) {
        let bytes = Array(data)
        func number(_ offset: Int, _ size: Int) -> UInt64 {
            bytes[offset..<offset + size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard bytes.count == 34 * 512, Array(bytes[512..<520]) == Array("EFI PART".utf8) else {
            throw ImageError(.badInput, "\(origin) has no GUID partition table: it is not a vSMP image")
        }
        var header = Array(bytes[512..<604])
        header.replaceSubrange(16..<20, with: [0, 0, 0, 0])
        guard number(512 + 12, 4) == 92, number(512 + 72, 8) == 2, number(512 + 80, 4) == 128,
            number(512 + 84, 4) == 128, CRC32.of(header) == UInt32(truncatingIfNeeded: number(512 + 16, 4)),
            CRC32.of(bytes[1024...]) == UInt32(truncatingIfNeeded: number(512 + 88, 4))
        else { throw ImageError(.badInput, "\(origin): the GUID partition table is damaged (wrong checksum)") }

        partitions = (0..<128).compactMap { index in
            let entry = 1024 + index * 128
            let type = Array(bytes[entry..<entry + 16])
            let first = number(entry + 32, 8)
            let last = number(entry + 40, 8)
            guard type.contains(where: { $0 != 0 }), first <= last, last < UInt64.max / 1024 else { return nil }
            let units = (0..<36).map { UInt16(number(entry + 56 + $0 * 2, 2)) }.prefix { $0 != 0 }
            return Partition(
                number: index + 1, name: String(decoding: units, as: UTF16.self), start: first * 512,
                size: (last - first + 1) * 512, typeUUID: Self.uuid(type))
        }
    }

    /// The one partition with that GPT name.
    public func partition(named name: String, origin: String) throws(ImageError) -> Partition {
        let matches = partitions.filter { $0.name == name }
        guard matches.count == 1, let match = matches.first else {
            throw ImageError(.badInput, "\(origin) has \(matches.count) partitions \(name), expected one")
        }
        return match
    }

    /// The first three fields are stored in little-endian order (UEFI specification, appendix A).
    private static func uuid(_ bytes: [UInt8]) -> String {
        let order = [3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1, 8, 9, -1, 10, 11, 12, 13, 14, 15]
        return order.map { index in
            guard index >= 0 else { return "-" }
            let digits = String(bytes[index], radix: 16, uppercase: true)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}

/// The checksum of GPT (ISO 3309, polynomial 0xedb88320 reflected).
enum CRC32 {
    static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xedb8_8320 : sum >> 1 }
        }
        return ~sum
    }
}
