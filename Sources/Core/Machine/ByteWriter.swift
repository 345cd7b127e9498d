/// Builds little-endian tables whose lengths and checksums are known only at the end.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    static func littleEndian(_ value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
        (0..<(value.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    var count: Int { bytes.count }

    mutating func u8(_ value: UInt8) { bytes.append(value) }
    mutating func u16(_ value: UInt16) { bytes += Self.littleEndian(value) }
    mutating func u32(_ value: UInt32) { bytes += Self.littleEndian(value) }
    mutating func u64(_ value: UInt64) { bytes += Self.littleEndian(value) }
    mutating func raw(_ more: some Sequence<UInt8>) { bytes += more }
    mutating func zeros(_ n: Int) { bytes += repeatElement(0, count: n) }

    /// ASCII text cut or padded to `width`.
    mutating func text(_ string: String, width: Int, padding: UInt8 = 0x20) {
        let cut = string.utf8.prefix(width)
        bytes += cut
        bytes += repeatElement(padding, count: width - cut.count)
    }

    mutating func patch(_ value: some FixedWidthInteger & UnsignedInteger, at offset: Int) {
        for (i, byte) in Self.littleEndian(value).enumerated() { bytes[offset + i] = byte }
    }
}

extension Array<UInt8> {
    /// Unsigned little-endian field at `offset`, nil when it does not fit.
    func littleEndian<T: FixedWidthInteger & UnsignedInteger>(_: T.Type, at offset: Int) -> T? {
        guard offset >= 0, offset <= count - T.bitWidth / 8 else { return nil }
        return (0..<(T.bitWidth / 8)).reduce(T.zero) { $0 | T(self[offset + $1]) << ($1 * 8) }
    }
}
