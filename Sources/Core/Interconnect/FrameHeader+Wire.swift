import Bytes

extension FrameHeader {
    /// Reads the header in front of `bytes`. Until the record's code was checked it only says how much belongs to the record.
    package static func parse(
        _ bytes: RawSpan, role: ConnectionRole, expectedRecord: UInt64
    ) throws(FrameError) -> FrameHeader {
        guard let first = bytes.littleEndian(UInt64.self, at: 0), let record = bytes.littleEndian(UInt64.self, at: 8),
            let last = bytes.littleEndian(UInt64.self, at: 16)
        else { throw .short(bytes.byteCount) }
        guard check(first, record, last) == UInt16(truncatingIfNeeded: last >> 48) else { throw .damaged(record: expectedRecord) }
        guard record == expectedRecord else { throw .record(expected: expectedRecord, found: record) }
        let (rawKind, rawFlags) = (UInt8(truncatingIfNeeded: first), UInt8(truncatingIfNeeded: first >> 8))
        let (body, payload) = (UInt16(truncatingIfNeeded: first >> 16), UInt32(truncatingIfNeeded: first >> 32))
        let flags = FrameFlags(rawValue: rawFlags)
        guard flags.isSubset(of: .known) else { throw .flags(rawFlags) }
        var kind: FrameKind?
        if rawKind != 0 {
            guard let known = FrameKind(rawValue: rawKind) else { throw .kind(rawKind) }
            guard known.role == role else { throw .wrongConnection(known, role) }
            kind = known
        }
        let isLegal = kind.map { lengthsAreLegal(kind: $0, flags: flags, body: Int(body), payload: Int(payload)) } ?? (first == 0)
        guard isLegal else { throw .lengths(kind, body: UInt32(body), payload: payload) }
        return FrameHeader(
            kind: kind, flags: flags, bodyLength: Int(body), payloadLength: Int(payload), record: record, due: last & dueMask)
    }

    /// The header as three words, ready to be stored in order.
    static func words(firstWord: UInt64, record: UInt64, due: UInt64) -> (UInt64, UInt64, UInt64) {
        (firstWord, record, due & dueMask | UInt64(check(firstWord, record, due)) << 48)
    }

    /// What is known of a frame before it is sent.
    var firstWord: UInt64 {
        UInt64(kind?.rawValue ?? 0) | UInt64(flags.rawValue) << 8 | UInt64(UInt16(bodyLength)) << 16 | UInt64(UInt32(payloadLength)) << 32
    }

    /// Bytes of the frame whose first word this is.
    static func frameLength(firstWord: UInt64) -> Int {
        byteCount + Int(UInt16(truncatingIfNeeded: firstWord >> 16)) + Int(UInt32(truncatingIfNeeded: firstWord >> 32))
    }

    private static var dueMask: UInt64 { 1 << 48 - 1 }

    /// Parity of each of 16 columns. Lengths that were altered would otherwise show only when as many bytes have come.
    private static func check(_ first: UInt64, _ record: UInt64, _ last: UInt64) -> UInt16 {
        var word = first ^ record ^ last & dueMask
        word ^= word >> 32
        word ^= word >> 16
        return ~UInt16(truncatingIfNeeded: word)
    }
}
