/// Takes bytes apart from their start; every length is checked, and too few bytes are an error, never a trap.
package struct ByteReader: Sendable {
    @usableFromInline let bytes: [UInt8]
    @usableFromInline let order: ByteOrder
    /// Bytes taken so far.
    @usableFromInline package internal(set) var offset = 0

    package init(_ bytes: [UInt8], _ order: ByteOrder = .littleEndian) {
        self.bytes = bytes
        self.order = order
    }

    /// Bytes not taken yet.
    package var remaining: Int { bytes.count - offset }

    @inlinable package mutating func take<T: FixedWidthInteger & UnsignedInteger>(_: T.Type = T.self) throws(ByteError) -> T {
        try require(T.bitWidth / 8)
        defer { offset += T.bitWidth / 8 }
        return T(truncatingIfNeeded: order.number(of: bytes, at: offset, count: T.bitWidth / 8))
    }

    /// The next `count` bytes.
    package mutating func take(bytes count: Int) throws(ByteError) -> [UInt8] {
        try require(count)
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    /// Bytes behind their count, which has 16 bits.
    package mutating func takeSized() throws(ByteError) -> [UInt8] {
        let count = try take(UInt16.self)
        return try take(bytes: Int(count))
    }

    /// UTF-8 text behind the number of its bytes, which has 16 bits; what is no UTF-8 becomes U+FFFD.
    package mutating func takeText() throws(ByteError) -> String { String(decoding: try takeSized(), as: UTF8.self) }

    package mutating func takeRest() -> [UInt8] {
        defer { offset = bytes.count }
        return Array(bytes[offset...])
    }

    package mutating func skip(_ count: Int) throws(ByteError) {
        try require(count)
        offset += count
    }

    /// - Throws: ``ByteError/long(_:)`` when bytes are left.
    package func end() throws(ByteError) {
        guard remaining == 0 else { throw .long(remaining) }
    }

    @usableFromInline func require(_ count: Int) throws(ByteError) {
        guard count >= 0 else { throw .value("length") }
        guard count <= remaining else { throw .short(offset: bytes.count, missing: count - remaining) }
    }
}
