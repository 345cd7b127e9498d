package import Contract
package import Platform
import Glibc

/// One TCP stream of frames to one peer, after the handshake. Owned by one thread at a time; nothing here blocks,
/// allocates or calls back.
package struct Connection: ~Copyable, Sendable {
    package let role: ConnectionRole
    /// Index of the node at the other end.
    package let peer: NodeIndex
    /// Frames and bytes that have passed, both directions.
    package private(set) var counters = ConnectionCounters()

    private let socket: Socket
    private var outgoing: ByteRing
    private var incoming: ByteRing
    private var reservation = 0
    private var lentLength = 0
    private var loss: ConnectionLoss?
    /// `poll` has read all that the kernel had.
    private var isDrained = false

    package static let defaultRingCapacity = 1 << 20

    /// Takes over a connected socket.
    /// - Parameters:
    ///   - sendCapacity: bytes of the send ring; room for the largest burst the caller may have to reserve.
    ///   - receiveCapacity: at least the largest frame; 1 MiB unless told otherwise.
    package init(
        adopting socket: consuming Socket, peer: NodeIndex, role: ConnectionRole,
        sendCapacity: Int = defaultRingCapacity, receiveCapacity: Int = defaultRingCapacity
    ) throws(InterconnectError) {
        let largest = FrameHeader.byteCount + 256 + FrameHeader.maximumPayload
        let outgoing = try ByteRing(capacity: max(sendCapacity, largest))
        let incoming = try ByteRing(capacity: max(receiveCapacity, largest))
        self.outgoing = outgoing
        self.incoming = incoming
        self.socket = socket
        self.peer = peer
        self.role = role
    }

    /// For epoll: readable means `fill`, writable means `flush` (only after it would have blocked).
    package var fileDescriptor: Int32 { socket.fileDescriptor }

    // MARK: Sending

    /// Bytes a frame takes in the send ring, for reserving room.
    package static func frameLength(body: Int, payload: Int) -> Int { FrameHeader.byteCount + body + payload }

    /// Opens room for one frame in the send ring so that the caller can write body and payload in place, or returns
    /// nil when the ring is full. Nothing is queued before `commit`; a second `reserve` replaces the first.
    /// The lengths must be legal for the kind.
    package mutating func reserve(
        _ kind: FrameKind, flags: FrameFlags = [], bodyLength: Int, payloadLength: Int
    ) -> FrameReservation? {
        precondition(kind.role == role, "a frame was sent on the connection of the other role")
        precondition(
            FrameHeader.lengthsAreLegal(kind: kind, flags: flags, body: bodyLength, payload: payloadLength),
            "a frame was sent with lengths its kind does not allow")
        let header = FrameHeader(
            kind: kind, flags: flags, bodyLength: bodyLength, payloadLength: payloadLength,
            sequence: counters.framesSent)
        guard header.frameLength <= outgoing.free else { return nil }
        reservation = header.frameLength
        let words = header.words
        // SAFETY: the room was checked to hold the whole frame, and is one piece of memory.
        let start = unsafe outgoing.room.baseAddress!
        unsafe start.storeBytes(of: words.0.littleEndian, as: UInt64.self)
        unsafe start.storeBytes(of: words.1.littleEndian, toByteOffset: 8, as: UInt64.self)
        unsafe start.storeBytes(of: words.2.littleEndian, toByteOffset: 16, as: UInt64.self)
        return unsafe FrameReservation(
            body: UnsafeMutableRawBufferPointer(start: start + FrameHeader.byteCount, count: bodyLength),
            payload: UnsafeMutableRawBufferPointer(
                start: start + FrameHeader.byteCount + bodyLength, count: payloadLength))
    }

    /// Queues the frame that `reserve` opened.
    package mutating func commit() {
        precondition(reservation > 0, "commit without a reservation")
        outgoing.append(reservation)
        counters.framesSent += 1
        counters.bytesSent += UInt64(reservation)
        reservation = 0
    }

    /// Queues one frame; false when the ring is full (then nothing is queued).
    package mutating func enqueue(
        _ kind: FrameKind, flags: FrameFlags = [], body: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer
    ) -> Bool {
        guard
            let room = unsafe reserve(kind, flags: flags, bodyLength: body.count, payloadLength: payload.count)
        else { return false }
        // SAFETY: the reservation has exactly these lengths.
        unsafe room.body.copyMemory(from: body)
        unsafe room.payload.copyMemory(from: payload)
        commit()
        return true
    }

    /// The same from arrays, for the control connection.
    package mutating func enqueue(
        _ kind: FrameKind, flags: FrameFlags = [], body: [UInt8], payload: [UInt8] = []
    ) -> Bool {
        // SAFETY: the arrays live through the call.
        unsafe body.withUnsafeBytes { body in
            unsafe payload.withUnsafeBytes { unsafe enqueue(kind, flags: flags, body: body, payload: $0) }
        }
    }

    /// Hands queued bytes to the kernel until none are left or it takes no more.
    package mutating func flush() -> FlushOutcome {
        if let loss { return .lost(loss) }
        while outgoing.count > 0 {
            switch unsafe socket.send(outgoing.filled) {
            case .bytes(let count): outgoing.removeFirst(count)
            case .wouldBlock: return .wouldBlock
            case .ended(let end):
                loss = .ended(end)
                return .lost(.ended(end))
            }
        }
        return .drained
    }

    // MARK: Receiving

    /// Reads what the kernel has, as far as the ring has room. The frame lent by `nextFrame` stays valid.
    package mutating func fill() -> FillOutcome {
        if let loss { return .lost(loss) }
        var total = 0
        while incoming.free > 0 {
            let room = unsafe incoming.room
            switch unsafe socket.receive(into: room) {
            case .bytes(let count):
                incoming.append(count)
                counters.bytesReceived += UInt64(count)
                total += count
                // A short read means that the kernel has no more; asking again would cost a call to hear so.
                if count < room.count { return .received(total) }
            case .wouldBlock: return .received(total)
            case .ended(let end):
                // Frames that arrived before the end are still to be handled; the next call reports the loss.
                loss = .ended(end)
                return total > 0 ? .received(total) : .lost(.ended(end))
            }
        }
        return .full
    }

    /// Lends the next complete frame, or nil when it has not all arrived. The frame stays valid until the next call
    /// of `nextFrame`; sending and filling do not disturb it.
    package mutating func nextFrame() throws(FrameError) -> ReceivedFrame? {
        if lentLength > 0 {
            incoming.removeFirst(lentLength)
            lentLength = 0
        }
        guard incoming.count >= FrameHeader.byteCount else { return nil }
        // SAFETY: the ring holds a whole header, and the span does not outlive this function.
        let filled = unsafe incoming.filled
        let header: FrameHeader
        do throws(FrameError) {
            header = unsafe try FrameHeader.parse(
                filled.bytes, role: role, expectedSequence: counters.framesReceived)
        } catch {
            loss = .malformed(error)
            throw error
        }
        guard header.frameLength <= incoming.count else { return nil }
        lentLength = header.frameLength
        counters.framesReceived += 1
        return unsafe ReceivedFrame(
            header: header,
            body: UnsafeRawBufferPointer(
                rebasing: filled[FrameHeader.byteCount..<FrameHeader.byteCount + header.bodyLength]),
            payload: UnsafeRawBufferPointer(
                rebasing: filled[FrameHeader.byteCount + header.bodyLength..<header.frameLength]))
    }
}

// MARK: The coherence connection

extension Connection: PageLink {
    package static var roomSignal: RoomSignal { .writable }

    package mutating func reserve(flags: FrameFlags, bodyLength: Int, contentsLength: Int) -> FrameReservation? {
        unsafe reserve(.coherence, flags: flags, bodyLength: bodyLength, payloadLength: contentsLength)
    }

    package mutating func poll() -> PollOutcome {
        while true {
            do throws(FrameError) {
                if let frame = try nextFrame() { return .message(frame.delivery) }
            } catch {
                return .lost(.malformed(error))
            }
            if isDrained {
                isDrained = false
                return .empty
            }
            switch fill() {
            case .received: isDrained = true
            case .full: break
            case .lost(let loss): return .lost(loss)
            }
        }
    }
}

package struct ConnectionCounters: Sendable, Equatable {
    package var framesSent: UInt64 = 0
    package var framesReceived: UInt64 = 0
    package var bytesSent: UInt64 = 0
    package var bytesReceived: UInt64 = 0

    package init() {}
}

package enum FlushOutcome: Sendable, Equatable {
    case drained
    /// The kernel takes no more now; wait for writability.
    case wouldBlock
    case lost(ConnectionLoss)
}

package enum FillOutcome: Sendable, Equatable {
    /// Bytes read, 0 when there were none.
    case received(Int)
    /// The ring is full: handle frames, then call again.
    case full
    case lost(ConnectionLoss)
}
