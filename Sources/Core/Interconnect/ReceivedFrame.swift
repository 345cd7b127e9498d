/// Room for one frame in a buffer of the link. Write all of it, then `commit` before anything else is sent.
@unsafe package struct FrameReservation {
    package let body: UnsafeMutableRawBufferPointer
    package let payload: UnsafeMutableRawBufferPointer

    package init(body: UnsafeMutableRawBufferPointer, payload: UnsafeMutableRawBufferPointer) {
        unsafe self.body = body
        unsafe self.payload = payload
    }
}

/// A frame lent from a receive ring: valid until its connection's next `nextFrame`.
@safe package struct ReceivedFrame {
    package let header: FrameHeader
    private let body: UnsafeRawBufferPointer
    private let payload: UnsafeRawBufferPointer

    init(header: FrameHeader, body: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) {
        self.header = header
        unsafe self.body = unsafe body
        unsafe self.payload = unsafe payload
    }

    package var kind: FrameKind { header.kind }
    package var flags: FrameFlags { header.flags }
    package var bodyLength: Int { header.bodyLength }
    package var payloadLength: Int { header.payloadLength }

    /// The body's bytes, for as long as the frame is valid.
    @unsafe package var unsafeBody: UnsafeRawBufferPointer { unsafe body }

    /// The frame as a message of the coherence connection.
    var delivery: PageDelivery { unsafe PageDelivery(flags: flags, body: body, contents: payload) }

    /// The integer at `offset` of the body, little endian; nil when the body is too short.
    package func body<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        at offset: Int, as type: T.Type = T.self
    ) -> T? {
        guard offset >= 0, offset <= header.bodyLength - MemoryLayout<T>.size else { return nil }
        // SAFETY: the range lies within the body.
        return unsafe T(littleEndian: body.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// Copies, for paths where an allocation does no harm.
    package var bodyBytes: [UInt8] { unsafe [UInt8](body) }
    package var payloadBytes: [UInt8] { unsafe [UInt8](payload) }
}
