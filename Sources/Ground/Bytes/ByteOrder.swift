/// Which byte of a number comes first.
package enum ByteOrder: Sendable {
    case littleEndian, bigEndian
}

extension FixedWidthInteger where Self: UnsignedInteger {
    /// The number's bytes in `order`.
    package func bytes(_ order: ByteOrder = .littleEndian) -> [UInt8] {
        (0..<Self.bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> Self(Self.shift(of: $0, order))) }
    }

    /// How far byte number `index` of a number in `order` is shifted, in bits.
    static func shift(of index: Int, _ order: ByteOrder) -> Int {
        order == .littleEndian ? index * 8 : bitWidth - 8 - index * 8
    }
}

extension RandomAccessCollection<UInt8> where Index == Int {
    /// The number that starts `offset` bytes behind the collection's start; nil when it does not fit.
    package func number<T: FixedWidthInteger & UnsignedInteger>(
        _: T.Type = T.self, at offset: Int, _ order: ByteOrder = .littleEndian
    ) -> T? {
        guard offset >= 0, offset <= count - T.bitWidth / 8 else { return nil }
        return (0..<T.bitWidth / 8).reduce(T.zero) { $0 | T(self[startIndex + offset + $1]) << T(T.shift(of: $1, order)) }
    }
}

extension RawSpan {
    /// The little-endian number at `offset`, nil when it does not fit. Allocates nothing.
    @inlinable
    package func littleEndian<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_: T.Type = T.self, at offset: Int) -> T? {
        guard offset >= 0, offset <= byteCount - MemoryLayout<T>.size else { return nil }
        // SAFETY: the range was checked and every bit pattern is a valid integer.
        return unsafe T(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }
}
