import Contract

/// One direction of a connection at its receiving end: records are opened where they lie, and each frame is taken once and in order.
struct ReceivingHalf: ~Copyable, Sendable {
    /// Number of the next frame.
    private(set) var due: UInt64 = 0
    /// Bytes of frames that the other end keeps until it hears that they are here.
    private(set) var owed = 0
    private let role: ConnectionRole
    private var input: ByteRing
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
    }

    /// Nothing more comes from this stream. What is lent stays valid.
    mutating func interrupt() { key = nil }

    /// The other end was told what is due.
    mutating func acknowledged() { owed = 0 }

    // MARK: The network

    var room: UnsafeMutableRawBufferPointer { unsafe input.room }

    mutating func received(_ count: Int) { input.append(count) }

    // MARK: Records

    /// Opens the next record, or nil when it has not all arrived.
    mutating func next() throws(FrameError) -> Record? {
        if lentLength > 0 {
            input.removeFirst(lentLength)
            lentLength = 0
        }
        guard key != nil, input.count >= FrameHeader.byteCount else { return nil }
        // SAFETY: the ring holds a whole header, and the span does not outlive this call.
        let header = unsafe try FrameHeader.parse(input.filled.bytes, role: role, expectedRecord: record)
        let length = header.recordLength
        guard length <= input.count else { return nil }
        // SAFETY: the ring holds the whole record in one piece.
        let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: input.writableFilled[..<length])
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
