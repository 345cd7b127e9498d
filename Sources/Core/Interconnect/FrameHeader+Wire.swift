extension FrameHeader {
    /// Reads and checks a header. `bytes` must hold at least `byteCount` bytes.
    package static func parse(
        _ bytes: RawSpan, role: ConnectionRole, expectedSequence: UInt64
    ) throws(FrameError) -> FrameHeader {
        let magic: UInt32 = bytes.littleEndian(at: 0)
        guard magic == Self.magic else { throw .magic(magic) }
        let version: UInt16 = bytes.littleEndian(at: 4)
        guard version == protocolVersion else { throw .version(version) }
        let rawKind: UInt8 = bytes.littleEndian(at: 6)
        guard let kind = FrameKind(rawValue: rawKind) else { throw .kind(rawKind) }
        guard kind.role == role else { throw .wrongConnection(kind, role) }
        let flags = FrameFlags(rawValue: bytes.littleEndian(at: 7))
        guard flags.isSubset(of: .known) else { throw .flags(flags.rawValue) }
        let body: UInt16 = bytes.littleEndian(at: 8)
        let reserved: UInt16 = bytes.littleEndian(at: 10)
        guard reserved == 0 else { throw .reserved }
        let payload: UInt32 = bytes.littleEndian(at: 12)
        guard lengthsAreLegal(kind: kind, flags: flags, body: Int(body), payload: Int(payload)) else {
            throw .lengths(kind, body: UInt32(body), payload: payload)
        }
        let sequence: UInt64 = bytes.littleEndian(at: 16)
        guard sequence == expectedSequence else { throw .sequence(expected: expectedSequence, found: sequence) }
        return FrameHeader(
            kind: kind, flags: flags, bodyLength: Int(body), payloadLength: Int(payload), sequence: sequence)
    }

    /// The header as two words and a half, ready to be stored in order.
    var words: (UInt64, UInt64, UInt64) {
        let first =
            UInt64(Self.magic) | UInt64(protocolVersion) << 32 | UInt64(kind.rawValue) << 48
            | UInt64(flags.rawValue) << 56
        let second = UInt64(UInt16(bodyLength)) | UInt64(UInt32(payloadLength)) << 32
        return (first, second, sequence)
    }

    /// The header as it stands on the wire.
    package var bytes: [UInt8] {
        var result: [UInt8] = []
        let words = words
        result.append(littleEndian: words.0)
        result.append(littleEndian: words.1)
        result.append(littleEndian: words.2)
        return result
    }
}
