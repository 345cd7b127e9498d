/// Which byte of a number comes first.
package enum ByteOrder: Sendable {
    case littleEndian, bigEndian
}

extension ByteOrder {
    // Of one type, so that messages of many numbers cost no generic arithmetic.

    /// Puts the low bytes of `value` behind `bytes`; at most 8.
    @usableFromInline func put(_ value: UInt64, bytes count: Int, behind bytes: inout [UInt8]) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * (self == .littleEndian ? index : count - 1 - index)))) }
    }

    /// The number of `count` bytes at `offset`, which are there; at most 8.
    @usableFromInline func number(of bytes: [UInt8], at offset: Int, count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<count { value = value << 8 | UInt64(bytes[offset + (self == .littleEndian ? count - 1 - index : index)]) }
        return value
    }
}

extension FixedWidthInteger where Self: UnsignedInteger {
    /// The number's bytes in `order`.
    package func bytes(_ order: ByteOrder = .littleEndian) -> [UInt8] {
        var bytes: [UInt8] = []
        order.put(UInt64(truncatingIfNeeded: self), bytes: Self.bitWidth / 8, behind: &bytes)
        return bytes
    }
}

extension RandomAccessCollection<UInt8> where Index == Int {
    /// The number that starts `offset` bytes behind the collection's start; nil when it does not fit.
    package func number<T: FixedWidthInteger & UnsignedInteger>(
        _: T.Type = T.self, at offset: Int, _ order: ByteOrder = .littleEndian
    ) -> T? {
        guard offset >= 0, offset <= count - T.bitWidth / 8 else { return nil }
        return Array(dropFirst(offset).prefix(T.bitWidth / 8)).number(at: 0, order)
    }
}

extension [UInt8] {
    /// The same, for what nearly every message is.
    package func number<T: FixedWidthInteger & UnsignedInteger>(_: T.Type = T.self, at offset: Int, _ order: ByteOrder = .littleEndian) -> T? {
        guard offset >= 0, offset <= count - T.bitWidth / 8 else { return nil }
        return T(truncatingIfNeeded: order.number(of: self, at: offset, count: T.bitWidth / 8))
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
