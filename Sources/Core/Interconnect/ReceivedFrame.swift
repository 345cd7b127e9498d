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
    package let kind: FrameKind
    package let flags: FrameFlags
    private let body: UnsafeRawBufferPointer
    private let payload: UnsafeRawBufferPointer

    init(kind: FrameKind, flags: FrameFlags, body: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) {
        self.kind = kind
        self.flags = flags
        unsafe self.body = unsafe body
        unsafe self.payload = unsafe payload
    }

    /// The frame as a message of the coherence connection.
    var delivery: PageDelivery { unsafe PageDelivery(flags: flags, body: body, contents: payload) }

    /// Copies, for paths where an allocation does no harm.
    package var bodyBytes: [UInt8] { unsafe [UInt8](body) }
    package var payloadBytes: [UInt8] { unsafe [UInt8](payload) }
}
