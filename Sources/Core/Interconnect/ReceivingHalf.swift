import Contract

/// One direction of a connection at its receiving end: records are opened where they lie, and each frame is taken once and in order.
struct ReceivingHalf: ~Copyable, Sendable {
    /// Number of the next frame.
    private(set) var due: UInt64 = 0
    /// Bytes of frames that the other end keeps until it hears that they are here.
    private(set) var owed = 0
    private let role: ConnectionRole
    private var input: ByteRing
    /// Of a stream over verbs: what is left of the last message, where it arrived.
    private var message: Message?
    private var lentLength = 0
    private var key: SealingKey?
    private var record: UInt64 = 0

    /// What one record is for its receiver.
    enum Record {
        /// The first of its stream: which frame the other end waits for.
        case first(due: UInt64)
        case acknowledgement(due: UInt64)
        case frame(ReceivedFrame, due: UInt64)
    }

    // SAFETY: unchecked because it belongs to who owns the stream.
    @safe private struct Message: @unchecked Sendable {
        private let bytes: UnsafeMutableRawBufferPointer

        init(_ bytes: UnsafeMutableRawBufferPointer) { unsafe self.bytes = bytes }

        /// Valid until the next message.
        var unsafeBytes: UnsafeMutableRawBufferPointer { unsafe bytes }
        /// What lies behind the first `count` bytes; nil when nothing does.
        func dropFirst(_ count: Int) -> Message? {
            unsafe count < bytes.count ? unsafe Message(UnsafeMutableRawBufferPointer(rebasing: bytes[count...])) : nil
        }
    }

    init(role: ConnectionRole, capacity: Int) throws(InterconnectError) {
        let input = try ByteRing(capacity: capacity)
        self.role = role
        self.input = input
    }

    /// A stream begins.
    mutating func begin(_ key: consuming SealingKey) {
        self.key = consume key
        record = 0
        lentLength = 0
        input.removeAll()
        message = nil
    }

    /// Nothing more comes from this stream. What is lent stays valid.
    mutating func interrupt() { key = nil }

    /// The other end was told what is due.
    mutating func acknowledged() { owed = 0 }

    // MARK: The network

    var room: UnsafeMutableRawBufferPointer { unsafe input.room }

    mutating func received(_ count: Int) { input.append(count) }

    /// Whole records where they arrived. They are opened there; the one before is taken.
    mutating func received(_ message: UnsafeMutableRawBufferPointer) { self.message = unsafe Message(message) }

    /// Records of the last message are left.
    var hasMessage: Bool { message != nil }

    // MARK: Records

    /// Opens the next record, or nil when it has not all arrived.
    mutating func next() throws(FrameError) -> Record? {
        if lentLength > 0 {
            if let message { self.message = message.dropFirst(lentLength) } else { input.removeFirst(lentLength) }
            lentLength = 0
        }
        let arrived = unsafe message?.unsafeBytes ?? input.writableFilled
        guard key != nil, arrived.count >= FrameHeader.byteCount else {
            if message != nil, key != nil { throw .short(arrived.count) }
            return nil
        }
        // SAFETY: a whole header lies there, and the span does not outlive this call.
        let header = unsafe try FrameHeader.parse(UnsafeRawBufferPointer(arrived).bytes, role: role, expectedRecord: record)
        let length = header.recordLength
        guard length <= arrived.count else {
            if message != nil { throw .short(arrived.count) }
            return nil
        }
        // SAFETY: the whole record lies there in one piece.
        let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: arrived[..<length])
        guard unsafe key?.open(bytes, headerLength: FrameHeader.byteCount, number: record) == true else { throw .seal(record: record) }
        lentLength = length
        record += 1
        guard let kind = header.kind else { return header.record == 0 ? .first(due: header.due) : .acknowledgement(due: header.due) }
        due += 1
        owed += header.frameLength
        let body = FrameHeader.byteCount
        let payload = body + header.bodyLength
        let frame = unsafe ReceivedFrame(
            kind: kind, flags: header.flags, body: UnsafeRawBufferPointer(rebasing: bytes[body..<payload]),
            payload: UnsafeRawBufferPointer(rebasing: bytes[payload..<payload + header.payloadLength]))
        return .frame(frame, due: header.due)
    }
}
