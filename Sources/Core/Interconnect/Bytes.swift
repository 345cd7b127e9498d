extension RawSpan {
    /// The integer at `offset`, little endian. Out of bounds is a programming error and traps.
    func littleEndian<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(at offset: Int) -> T {
        precondition(offset >= 0 && offset <= byteCount - MemoryLayout<T>.size, "read past the end of a span")
        // SAFETY: the range was checked and every bit pattern is a valid integer.
        return unsafe T(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }
}

extension [UInt8] {
    mutating func append<T: FixedWidthInteger & UnsignedInteger>(littleEndian value: T) {
        for shift in stride(from: 0, to: T.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> T(shift))) }
    }

    /// The integer at `offset`, little endian; the caller has checked the array's length.
    func littleEndian<T: FixedWidthInteger & UnsignedInteger>(at offset: Int) -> T {
        var value: T = 0
        for index in (0..<MemoryLayout<T>.size).reversed() { value = value << 8 | T(self[offset + index]) }
        return value
    }
}

/// Lower-case hexadecimal, two digits a byte of the type.
func hexadecimal<T: FixedWidthInteger & UnsignedInteger>(_ value: T) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: T.bitWidth / 4 - digits.count) + digits
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.reduce(into: "") { $0 += hexadecimal($1) }
}

/// Text of a peer as a console may show it: printable ASCII, at most `limit` characters.
package func sanitized(_ text: some Sequence<UInt8>, limit: Int) -> String {
    String(decoding: text.prefix(limit).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
}
