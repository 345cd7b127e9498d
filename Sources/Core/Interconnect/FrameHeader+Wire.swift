import Bytes

extension FrameHeader {
    /// Reads and checks the header in front of `bytes`.
    package static func parse(
        _ bytes: RawSpan, role: ConnectionRole, expectedSequence: UInt64
    ) throws(FrameError) -> FrameHeader {
        guard let magic = bytes.littleEndian(UInt32.self, at: 0), let version = bytes.littleEndian(UInt16.self, at: 4),
            let rawKind = bytes.littleEndian(UInt8.self, at: 6), let rawFlags = bytes.littleEndian(UInt8.self, at: 7),
            let body = bytes.littleEndian(UInt16.self, at: 8), let reserved = bytes.littleEndian(UInt16.self, at: 10),
            let payload = bytes.littleEndian(UInt32.self, at: 12), let sequence = bytes.littleEndian(UInt64.self, at: 16)
        else { throw .short(bytes.byteCount) }
        guard magic == Self.magic else { throw .magic(magic) }
        guard version == protocolVersion else { throw .version(version) }
        guard let kind = FrameKind(rawValue: rawKind) else { throw .kind(rawKind) }
        guard kind.role == role else { throw .wrongConnection(kind, role) }
        let flags = FrameFlags(rawValue: rawFlags)
        guard flags.isSubset(of: .known) else { throw .flags(flags.rawValue) }
        guard reserved == 0 else { throw .reserved }
        guard lengthsAreLegal(kind: kind, flags: flags, body: Int(body), payload: Int(payload)) else {
            throw .lengths(kind, body: UInt32(body), payload: payload)
        }
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
}
