/// A connection between two nodes without its socket: frames in order, none twice and none lost, over any number of TCP streams one after the other,
/// each with keys of its own. A pure state machine: bytes in and bytes out. Nothing here blocks or allocates, but `begin`.
///
/// What a stream carries has to be the very records that the other end sealed for it, one after the other; anything else interrupts it. The first
/// record of each end says which frame it waits for, and the other end sends again from there.
package struct SecureStream: ~Copyable, Sendable {
    package let role: ConnectionRole
    /// Frames and bytes that have passed, both directions.
    package private(set) var counters = ConnectionCounters()
    private var sending: SendingHalf
    private var receiving: ReceivingHalf
    /// A record is to go, also without a frame.
    private var isAsked = false

    /// So many bytes may wait at the other end to be acknowledged before a record of its own says so.
    package static let acknowledgedAt = 64 << 10

    /// - Parameters:
    ///   - sendCapacity: bytes of frames that are kept until the other end has them; what it acknowledges late comes on top.
    ///   - receiveCapacity: at least the longest record.
    package init(role: ConnectionRole, sendCapacity: Int, receiveCapacity: Int) throws(InterconnectError) {
        let sending = try SendingHalf(capacity: max(sendCapacity, FrameHeader.maximumFrame) + Self.acknowledgedAt)
        let receiving = try ReceivingHalf(role: role, capacity: max(receiveCapacity, FrameHeader.maximumFrame + SealingKey.tagLength))
        self.role = role
        self.sending = sending
        self.receiving = receiving
    }

    // MARK: TCP streams

    /// Another TCP stream carries the connection from now on.
    package mutating func begin(_ keys: StreamKeys) {
        receiving.begin(SealingKey(keys.receive, keys.protection))
        sending.begin(SealingKey(keys.send, keys.protection), due: receiving.due)
        counters.streams += 1
    }

    /// The TCP stream is over; frames are kept for the next one. A frame that is lent stays valid.
    package mutating func interrupt() {
        isAsked = false
        sending.interrupt()
        receiving.interrupt()
    }

    // MARK: Sending

    /// As ``Connection/reserve(_:flags:bodyLength:payloadLength:)``.
    package mutating func reserve(_ kind: FrameKind, flags: FrameFlags, bodyLength: Int, payloadLength: Int) -> FrameReservation? {
        precondition(kind.role == role, "a frame was sent on the connection of the other role")
        precondition(
            FrameHeader.lengthsAreLegal(kind: kind, flags: flags, body: bodyLength, payload: payloadLength),
            "a frame was sent with lengths its kind does not allow")
        return unsafe sending.reserve(FrameHeader(kind: kind, flags: flags, bodyLength: bodyLength, payloadLength: payloadLength))
    }

    package mutating func commit() {
        sending.commit()
        counters.framesSent += 1
    }

    /// Whether frames that the other end may lack fill half of the send ring.
    var isHalfFull: Bool { sending.usage.kept >= sending.usage.capacity / 2 }

    /// The other end has not said yet which frame it waits for, or does not have all frames.
    package var isWaiting: Bool { !sending.isOpen || sending.kept < sending.next }

    /// How far the other end is.
    package var acknowledged: UInt64 { sending.kept }

    /// Has the other end say what it has: the answer to a record without a frame. Records that were left out on the way show then.
    package mutating func ask() { isAsked = true }

    private var isAcknowledging: Bool { isAsked || receiving.owed >= Self.acknowledgedAt }

    /// Whether `output` has something, or would have.
    package var hasOutput: Bool { sending.hasWork(acknowledging: isAcknowledging) }

    /// Sealed bytes for the network, empty when there are none.
    package mutating func output() -> UnsafeRawBufferPointer {
        if sending.seal(due: receiving.due, acknowledging: isAcknowledging) {
            receiving.acknowledged()
            isAsked = false
        }
        return unsafe sending.output
    }

    /// The network has taken the first `count` bytes of `output`.
    package mutating func sent(_ count: Int) {
        counters.bytesSent += UInt64(count)
        sending.sent(count)
    }

    // MARK: Receiving

    /// Where bytes from the network go; empty when frames have to be taken first.
    package var room: UnsafeMutableRawBufferPointer { unsafe receiving.room }

    package mutating func received(_ count: Int) {
        counters.bytesReceived += UInt64(count)
        receiving.received(count)
    }

    /// Whole records, where they arrived: they are opened and lent there, and the memory stays as it is until `hasMessage` is false.
    package mutating func received(_ message: UnsafeMutableRawBufferPointer) {
        counters.bytesReceived += UInt64(message.count)
        unsafe receiving.received(message)
    }

    package var hasMessage: Bool { receiving.hasMessage }

    /// Lends the next frame, or nil when it has not all arrived. It stays valid until the next call; sending and receiving do not disturb it.
    /// - Throws: what came is not what the other end sealed: interrupt. Or the other end itself broke the protocol.
    package mutating func nextFrame() throws(StreamError) -> ReceivedFrame? {
        while true {
            let record: ReceivingHalf.Record?
            do throws(FrameError) { record = try receiving.next() } catch { throw .altered(error) }
            switch record {
            case nil: return nil
            case .first(let due): guard sending.open(from: due) else { throw .violation("it waits for frame \(due), which this node does not have") }
            case .acknowledgement(let due):
                try acknowledge(due)
                if receiving.owed > 0 { isAsked = true }
            case .frame(let frame, let due):
                guard sending.isOpen else { throw .violation("it sends a frame before it has said which one it waits for") }
                try acknowledge(due)
                counters.framesReceived += 1
                return frame
            }
        }
    }

    private mutating func acknowledge(_ due: UInt64) throws(StreamError) {
        guard sending.acknowledge(due) else { throw .violation("it acknowledges frame \(due), which it cannot have") }
    }
}

/// Why a stream of records ended.
package enum StreamError: Error, Sendable, Equatable {
    /// Changed on the way: another TCP stream can go on from here.
    case altered(FrameError)
    /// What no node of this firmware says, sealed by the peer itself.
    case violation(String)
}
