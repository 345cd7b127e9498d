/// Wire format, 24 bytes, little-endian:
///
///     0  kind        8 bits
///     1  flags       bit 0 exclusive, bit 1 zero, others 0
///     2  requester   8 bits
///     3  acks        8 bits
///     4  page       32 bits
///     8  mask       64 bits (in invalidate: a count)
///    16  zeroMask   64 bits
extension Message {
    /// Writes the message into the first `encodedSize` bytes of `bytes`.
    ///
    /// - Precondition: `bytes` holds at least `encodedSize` bytes.
    public func encode(into bytes: inout MutableSpan<UInt8>) {
        precondition(bytes.count >= Message.encodedSize, "an encoded message needs \(Message.encodedSize) bytes")
        bytes[0] = kind.rawValue
        bytes[1] = (exclusive ? 1 : 0) | (zero ? 2 : 0)
        bytes[2] = requester.rawValue
        bytes[3] = acks
        for index in 0..<4 { bytes[4 + index] = UInt8(truncatingIfNeeded: page.rawValue >> (8 * UInt32(index))) }
        for index in 0..<8 {
            bytes[8 + index] = UInt8(truncatingIfNeeded: mask >> (8 * UInt64(index)))
            bytes[16 + index] = UInt8(truncatingIfNeeded: zeroMask >> (8 * UInt64(index)))
        }
    }

    /// The message in the first `encodedSize` bytes of `bytes`, or nil when they are too few or any field is not one
    /// that a node of a machine of `nodeCount` nodes and `totalPages` pages can send.
    public init?(decoding bytes: Span<UInt8>, nodeCount: Int, totalPages: UInt32) {
        guard bytes.count >= Message.encodedSize, let kind = Kind(rawValue: bytes[0]), bytes[1] & ~3 == 0,
            Int(bytes[2]) < nodeCount, bytes[2] < 64, Int(bytes[3]) < nodeCount
        else { return nil }
        var page: UInt32 = 0
        for index in 0..<4 { page |= UInt32(bytes[4 + index]) << (8 * UInt32(index)) }
        var mask: UInt64 = 0
        var zeroMask: UInt64 = 0
        for index in 0..<8 {
            mask |= UInt64(bytes[8 + index]) << (8 * UInt64(index))
            zeroMask |= UInt64(bytes[16 + index]) << (8 * UInt64(index))
        }
        let pages = kind == .invalidate ? 0 : mask | zeroMask
        let last = UInt64(page) + UInt64(63 - min(63, pages.leadingZeroBitCount))
        guard last < UInt64(totalPages), page < totalPages else { return nil }
        self.init(
            kind, PageNumber(page), requester: NodeID(bytes[2]), acks: bytes[3], exclusive: bytes[1] & 1 != 0,
            zero: bytes[1] & 2 != 0, mask: mask, zeroMask: zeroMask)
        guard hasOnlyItsOwnFields else { return nil }
    }

    /// Whether every field that this kind does not use is zero and those it uses fit together.
    private var hasOnlyItsOwnFields: Bool {
        let plain = requester.rawValue == 0 && acks == 0 && mask == 0 && zeroMask == 0 && !zero
        switch kind {
        case .getShared, .getExclusive:
            return requester.rawValue == 0 && acks == 0 && mask & 1 == 0 && zeroMask == 0 && !exclusive
                && !(zero && (mask != 0 || kind == .getExclusive))
        case .prefetch:
            return requester.rawValue == 0 && acks == 0 && mask != 0 && zeroMask == 0 && !zero
        case .invalidate:
            return acks == 0 && zeroMask == 0 && !zero && !exclusive
        case .forwardShared:
            return acks == 0 && mask == 0 && zeroMask == 0 && !exclusive
        case .forwardExclusive:
            return mask == 0 && zeroMask == 0 && !zero && !exclusive
        case .invalidateAck, .writeBack, .writeBackAck, .refusal:
            return plain && !exclusive
        case .data:
            return requester.rawValue == 0 && mask == 0 && zeroMask == 0 && (exclusive || acks == 0)
        case .grant:
            return requester.rawValue == 0 && mask == 0 && zeroMask == 0 && exclusive && !(zero && acks != 0)
        case .prefetchReply:
            return requester.rawValue == 0 && acks == 0 && mask & zeroMask == 0 && !zero
                && mask.nonzeroBitCount <= Message.maximumPages
        case .replacementHint:
            return requester.rawValue == 0 && acks == 0 && mask != 0 && zeroMask == 0 && !zero && !exclusive
        }
    }
}
