/// Puts bytes together: messages, tables, records.
package struct ByteWriter: Sendable {
    @usableFromInline package internal(set) var bytes: [UInt8] = []
    @usableFromInline let order: ByteOrder

    package init(_ order: ByteOrder = .littleEndian) { self.order = order }

    package var count: Int { bytes.count }

    @inlinable package mutating func put<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
        order.put(UInt64(truncatingIfNeeded: value), bytes: T.bitWidth / 8, behind: &bytes)
    }

    // For tables, whose fields are literals: the width is seen where the field is written.
    package mutating func u8(_ value: UInt8) { put(value) }
    package mutating func u16(_ value: UInt16) { put(value) }
    package mutating func u32(_ value: UInt32) { put(value) }
    package mutating func u64(_ value: UInt64) { put(value) }

    package mutating func put(raw more: some Sequence<UInt8>) { bytes += more }

    package mutating func put(zeros count: Int) { bytes += repeatElement(0, count: count) }

    /// Bytes behind their count, which has 16 bits.
    ///
    /// - Precondition: there are at most 65 535.
    package mutating func put(sized content: [UInt8]) {
        put(UInt16(content.count))
        bytes += content
    }

    /// UTF-8 text behind the number of its bytes, which has 16 bits; cut behind the last Unicode scalar that fits.
    package mutating func put(_ text: String) {
        var utf8 = Array(text.utf8.prefix(Int(UInt16.max)))
        while String(validating: utf8, as: UTF8.self) == nil { utf8.removeLast() }
        put(sized: utf8)
    }

    /// Text cut or padded to `width` bytes.
    package mutating func put(_ text: String, width: Int, padding: UInt8 = 0x20) {
        let cut = text.utf8.prefix(width)
        bytes += cut
        bytes += repeatElement(padding, count: width - cut.count)
    }

    /// Replaces the number at `offset`: a length or a checksum that is known only at the end.
    ///
    /// - Precondition: it lies within what is written.
    package mutating func patch<T: FixedWidthInteger & UnsignedInteger>(_ value: T, at offset: Int) {
        bytes.replaceSubrange(offset..<offset + T.bitWidth / 8, with: value.bytes(order))
    }
}
