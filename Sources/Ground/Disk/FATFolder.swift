/// A file or folder as its folder describes it.
package struct FATEntry: Sendable, Equatable {
    /// From the root folder, without a leading slash; long names where there are some.
    package let path: String
    package let isFolder: Bool
    /// Bytes; 0 for a folder.
    package let size: Int
    let firstCluster: Int
}

/// The 32-byte entries of one folder (Microsoft, "FAT: General Overview of On-Disk Format", directory structure and long names).
enum FATFolder {
    private static let longName: UInt8 = 0x0F
    private static let volumeLabel: UInt8 = 0x08
    private static let folder: UInt8 = 0x10

    /// What is in the folder `parent`, without `.`, `..`, deleted entries and the volume label.
    ///
    /// - Returns: nil when a name could not be part of a path.
    static func entries(_ bytes: [UInt8], in parent: String) -> [FATEntry]? {
        var found: [FATEntry] = []
        var pieces: [(sequence: UInt8, checksum: UInt8, units: [UInt16])] = []
        for start in stride(from: 0, to: bytes.count - FATGeometry.entrySize + 1, by: FATGeometry.entrySize) {
            let entry = Array(bytes[start..<start + FATGeometry.entrySize])
            if entry[0] == 0 { break }
            if entry[0] == 0xE5 {
                pieces = []
                continue
            }
            if entry[11] & 0x3F == longName {
                if entry[0] & 0x40 != 0 { pieces = [] }
                pieces.append((entry[0] & 0x3F, entry[13], units(entry)))
                continue
            }
            let name = long(pieces, of: entry) ?? short(entry)
            pieces = []
            guard entry[11] & volumeLabel == 0, name != ".", name != ".." else { continue }
            guard !name.isEmpty, name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0 != "/" && $0.value != 0x7F }) else { return nil }
            let isFolder = entry[11] & folder != 0
            found.append(
                FATEntry(
                    path: parent.isEmpty ? name : "\(parent)/\(name)", isFolder: isFolder, size: isFolder ? 0 : Int(entry.number(28, 4)),
                    firstCluster: Int(entry.number(20, 2)) << 16 | Int(entry.number(26, 2))))
        }
        return found
    }

    private static func units(_ entry: [UInt8]) -> [UInt16] {
        [(1, 5), (14, 6), (28, 2)].flatMap { start, count in (0..<count).map { UInt16(entry.number(start + 2 * $0, 2)) } }
    }

    /// Nil when the pieces before a short entry are not all of its long name.
    private static func long(_ pieces: [(sequence: UInt8, checksum: UInt8, units: [UInt16])], of entry: [UInt8]) -> String? {
        let checksum = entry[0..<11].reduce(UInt8(0)) { sum, byte in (sum >> 1 | sum << 7) &+ byte }
        guard !pieces.isEmpty, pieces.reversed().enumerated().allSatisfy({ Int($1.sequence) == $0 + 1 && $1.checksum == checksum }) else { return nil }
        return String(decoding: pieces.reversed().flatMap(\.units).prefix { $0 != 0 }, as: UTF16.self)
    }

    /// The 8.3 name; byte 12 says which half is in lower case.
    private static func short(_ entry: [UInt8]) -> String {
        func half(_ range: Range<Int>, isLower: Bool) -> String {
            var bytes = Array(entry[range])
            if range.lowerBound == 0, bytes[0] == 0x05 { bytes[0] = 0xE5 }
            while bytes.last == 0x20 { bytes.removeLast() }
            let text = String(decoding: bytes, as: UTF8.self)
            return isLower ? text.lowercased() : text
        }
        let (base, suffix) = (half(0..<8, isLower: entry[12] & 0x08 != 0), half(8..<11, isLower: entry[12] & 0x10 != 0))
        return suffix.isEmpty ? base : "\(base).\(suffix)"
    }
}
