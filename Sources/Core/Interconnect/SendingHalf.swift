import Contract

/// One direction of a connection at its sending end: frames stay as they were written until the other end has them, and are sealed on their way to
/// the network, under another key for each TCP stream.
struct SendingHalf: ~Copyable, Sendable {
    /// Number of the next frame to be written, and of the first that the other end has not acknowledged.
    private(set) var next: UInt64 = 0
    private(set) var kept: UInt64 = 0
    private var frames: ByteRing
    /// Bytes at the front of `frames` that were sealed for this stream already.
    private var sealedLength = 0
    private var sealed: ByteRing
    private var key: SealingKey?
    private var record: UInt64 = 0
    /// The other end has said which frame it waits for.
    private(set) var isOpen = false
    private var reservation = 0

    static let sealedCapacity = 256 << 10

    init(capacity: Int) throws(InterconnectError) {
        let frames = try ByteRing(capacity: capacity)
        let sealed = try ByteRing(capacity: Self.sealedCapacity)
        self.frames = frames
        self.sealed = sealed
    }

    /// Frames that are written and not sealed yet.
    private var isBehind: Bool { isOpen && sealedLength < frames.count }

    /// Whether `seal` or the network has something to do.
    func hasWork(acknowledging isOwed: Bool) -> Bool { key != nil && (sealed.count > 0 || isBehind || isOwed) }

    // MARK: Writing

    /// Bytes of frames that the other end may lack, and for how many there is room.
    var usage: (kept: Int, capacity: Int) { (frames.count, frames.capacity) }

    mutating func reserve(_ header: FrameHeader) -> FrameReservation? {
        guard header.frameLength <= frames.free else { return nil }
        reservation = header.frameLength
        // SAFETY: the room was checked to hold the whole frame, and is one piece of memory.
        let start = unsafe frames.room.baseAddress!
        unsafe start.storeBytes(of: header.firstWord.littleEndian, as: UInt64.self)
        return unsafe FrameReservation(
            body: UnsafeMutableRawBufferPointer(start: start + FrameHeader.byteCount, count: header.bodyLength),
            payload: UnsafeMutableRawBufferPointer(start: start + FrameHeader.byteCount + header.bodyLength, count: header.payloadLength))
    }

    mutating func commit() {
        precondition(reservation > 0, "commit without a reservation")
        frames.append(reservation)
        next += 1
        reservation = 0
    }

    // MARK: The other end

    /// The other end has all frames before `due`.
    /// - Returns: false when it says so of frames that were never sent, or asks for one that it had.
    mutating func acknowledge(_ due: UInt64) -> Bool {
        guard due >= kept, due <= next else { return false }
        while kept < due {
            let length = unsafe Self.length(frames.filled)
            // What was not sealed for this stream, the other end had from an earlier one.
            sealedLength = max(0, sealedLength - length)
            frames.removeFirst(length)
            kept += 1
        }
        return true
    }

    /// The first word of the other end on this stream: everything from `due` on goes (again).
    mutating func open(from due: UInt64) -> Bool {
        guard acknowledge(due) else { return false }
        sealedLength = 0
        isOpen = true
        return true
    }

    // MARK: Sealing

    /// A stream begins; its first record says which frame this end waits for.
    mutating func begin(_ key: consuming SealingKey, due: UInt64) {
        interrupt()
        self.key = consume key
        sealEmpty(due: due)
    }

    mutating func interrupt() {
        key = nil
        record = 0
        isOpen = false
        sealedLength = 0
        sealed.removeAll()
    }

    /// Seals written frames as far as there is room; each tells the other end what is due here.
    /// - Parameter acknowledging: worth a record of its own when no frame goes.
    /// - Returns: whether a record tells what is due now.
    mutating func seal(due: UInt64, acknowledging: Bool) -> Bool {
        guard key != nil else { return false }
        var isTold = false
        while isBehind {
            // SAFETY: a whole frame begins here; its first word was written by `reserve`.
            let rest = unsafe UnsafeRawBufferPointer(rebasing: frames.filled[sealedLength...])
            let length = unsafe Self.length(rest)
            guard length + SealingKey.tagLength <= sealed.free else { return isTold }
            let frame = unsafe UnsafeMutableRawBufferPointer(rebasing: frames.writableFilled[sealedLength..<sealedLength + length])
            unsafe seal(frame, firstWord: rest.loadUnaligned(as: UInt64.self), due: due)
            sealedLength += length
            isTold = true
        }
        if acknowledging, !isTold, FrameHeader.byteCount + SealingKey.tagLength <= sealed.free {
            sealEmpty(due: due)
            isTold = true
        }
        return isTold
    }

    private mutating func sealEmpty(due: UInt64) {
        var header = (UInt64(0), UInt64(0), UInt64(0))
        // SAFETY: a header's bytes on the stack.
        unsafe withUnsafeMutableBytes(of: &header) { unsafe seal($0, firstWord: 0, due: due) }
    }

    /// - Parameter frame: its header is written here.
    private mutating func seal(_ frame: UnsafeMutableRawBufferPointer, firstWord: UInt64, due: UInt64) {
        let words = FrameHeader.words(firstWord: UInt64(littleEndian: firstWord), record: record, due: due)
        // SAFETY: the frame begins with room for its header, and the room behind what is sealed holds frame and tag.
        unsafe frame.storeBytes(of: words.0.littleEndian, as: UInt64.self)
        unsafe frame.storeBytes(of: words.1.littleEndian, toByteOffset: 8, as: UInt64.self)
        unsafe frame.storeBytes(of: words.2.littleEndian, toByteOffset: 16, as: UInt64.self)
        unsafe key?.seal(UnsafeRawBufferPointer(frame), headerLength: FrameHeader.byteCount, number: record, into: sealed.room.baseAddress!)
        sealed.append(frame.count + SealingKey.tagLength)
        record += 1
    }

    private static func length(_ frame: UnsafeRawBufferPointer) -> Int {
        unsafe FrameHeader.frameLength(firstWord: UInt64(littleEndian: frame.loadUnaligned(as: UInt64.self)))
    }

    // MARK: The network

    /// Bytes for the network.
    var output: UnsafeRawBufferPointer { unsafe sealed.filled }

    mutating func sent(_ count: Int) { sealed.removeFirst(count) }
}
