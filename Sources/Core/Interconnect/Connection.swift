package import Contract
import Platform
import Verbs
import Glibc

/// One connection of frames to one peer, over one stream (TCP or verbs) after the other. Owned by one thread at a time; nothing here blocks, allocates or calls
/// back, but `adopt`, which allocates.
package struct Connection: ~Copyable, Sendable {
    package let role: ConnectionRole
    /// Index of the node at the other end.
    package let peer: NodeIndex

    /// Nil while the connection is interrupted.
    private var socket: Socket?
    /// What carries the records where it is not the socket, which then only tells that the other end is gone.
    private var messages: MessageStream<QueuePair>?
    private var stream: SecureStream
    /// What is to be told when the frames that came before it are taken.
    private var ending: ConnectionLoss?
    /// Once told, for ever.
    private var loss: ConnectionLoss?
    private var lastInterruption = ConnectionLoss.closed
    /// What sending met: the end that is read says less.
    private var sendingEnd: ConnectionLoss?
    private var patience = AcknowledgementPatience()
    private var budget = InterruptionBudget()
    /// What the kernel has counted for the streams that are over.
    private var formerRetransmissions: UInt64 = 0
    /// `poll` has read all that the kernel had.
    private var isDrained = false

    package static let defaultRingCapacity = 1 << 20

    /// - Parameters:
    ///   - sendCapacity: bytes of the send ring; room for the largest burst the caller may have to reserve.
    ///   - receiveCapacity: at least the largest frame; 1 MiB unless told otherwise.
    package init(
        adopting first: EstablishedStream, peer: NodeIndex, role: ConnectionRole,
        sendCapacity: Int = defaultRingCapacity, receiveCapacity: Int = defaultRingCapacity
    ) throws(InterconnectError) {
        var stream = try SecureStream(role: role, sendCapacity: sendCapacity, receiveCapacity: receiveCapacity)
        stream.begin(first.keys)
        self.stream = stream
        let socket = first.takeSocket()
        messages = first.takeMessages()
        isMessages = messages != nil
        fileDescriptor = messages?.fileDescriptor ?? socket.fileDescriptor
        self.socket = consume socket
        self.peer = peer
        self.role = role
        // The first record, for which the other end waits.
        _ = flush()
    }

    /// What has passed since the first stream, both directions.
    package var counters: ConnectionCounters {
        var counters = stream.counters
        counters.retransmissions = formerRetransmissions + retransmissions
        return counters
    }

    /// Of this stream, as the kernel counts them; 0 between two.
    private var retransmissions: UInt64 { TransportFigures(of: fileDescriptor)?.retransmissions ?? 0 }

    /// Verbs carry the records of this stream.
    private var isMessages: Bool

    /// For epoll: readable means `fill`, writable means `flush` (only after it would have blocked). -1 while interrupted.
    package private(set) var fileDescriptor: Int32

    /// Goes on over another TCP stream, from where both ends are, whatever became of the last one. The descriptor changes.
    /// - Parameter now: nanoseconds of any monotonic clock.
    package mutating func adopt(_ next: EstablishedStream, now: UInt64) {
        guard loss == nil else { return }
        let cause = ending ?? lastInterruption
        stream.interrupt()
        (ending, isDrained) = (nil, false)
        close()
        guard budget.spend(cause, now: now) else {
            loss = .unsteady(cause)
            return
        }
        let socket = next.takeSocket()
        messages = next.takeMessages()
        isMessages = messages != nil
        fileDescriptor = messages?.fileDescriptor ?? socket.fileDescriptor
        self.socket = consume socket
        stream.begin(next.keys)
        _ = flush()
    }

    /// To be called every quarter of a second: TCP alone says nothing when somebody between the nodes leaves out records.
    /// - Returns: why the stream is over, if it is.
    package mutating func tick(now: UInt64) -> ConnectionLoss? {
        // An adapter says nothing of a peer that is gone until something is sent to it.
        if loss == nil, isMessages, socket?.isDead() == true { return interrupt(.closed) }
        guard loss == nil, fileDescriptor >= 0, stream.isWaiting || sendingEnd != nil else {
            patience.rest()
            return nil
        }
        let advice = patience.advice(acknowledged: stream.acknowledged, now: now)
        if let sendingEnd, advice != .new { return interrupt(sendingEnd) }
        switch advice {
        case .new, .wait: return nil
        case .over: return interrupt(.ended(.failed(errno: ETIMEDOUT)))
        case .ask:
            stream.ask()
            _ = flush()
            return nil
        }
    }

    // MARK: Sending

    /// Bytes a frame takes on the wire.
    package static func frameLength(body: Int, payload: Int) -> Int { FrameHeader.byteCount + body + payload + SealingKey.tagLength }

    /// Opens room for one frame in the send ring so that the caller can write body and payload in place, or returns
    /// nil when the ring is full. Nothing is queued before `commit`; a second `reserve` replaces the first.
    /// The lengths must be legal for the kind.
    package mutating func reserve(
        _ kind: FrameKind, flags: FrameFlags = [], bodyLength: Int, payloadLength: Int
    ) -> FrameReservation? {
        unsafe stream.reserve(kind, flags: flags, bodyLength: bodyLength, payloadLength: payloadLength)
    }

    /// Queues the frame that `reserve` opened.
    package mutating func commit() { stream.commit() }

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

    package var hasOutput: Bool { stream.hasOutput }

    /// Whether half of the send ring or more waits for the other end, as in an outage.
    package var isHalfFull: Bool { stream.isHalfFull }

    /// Hands queued frames to the kernel until none are left or it takes no more. An interrupted connection keeps them.
    package mutating func flush() -> FlushOutcome {
        if let loss { return .lost(loss) }
        while true {
            let output = unsafe stream.output()
            guard output.count > 0 else { return .drained }
            switch unsafe send(output) {
            case nil: return .drained
            case .bytes(let count): stream.sent(count)
            case .wouldBlock: return .wouldBlock
            // What the peer said before it went is still to be read, and that it went is read behind it, or found by `tick`.
            case .ended(let end):
                sendingEnd = end
                return .drained
            }
        }
    }

    /// By what carries this stream; nil between two.
    private mutating func send(_ output: UnsafeRawBufferPointer) -> MessageStream<QueuePair>.Sent? {
        if isMessages { return unsafe messages?.send(output) }
        return switch unsafe socket?.send(output) {
        case nil: nil
        case .bytes(let count): .bytes(count)
        case .wouldBlock: .wouldBlock
        case .ended(let end): .ended(.ended(end))
        }
    }

    // MARK: Receiving

    /// Reads what the kernel has, as far as the ring has room. The frame lent by `nextFrame` stays valid.
    package mutating func fill() -> FillOutcome {
        if let loss { return .lost(loss) }
        if let ending { return .interrupted(interrupt(ending)) }
        if isMessages { return fillWithMessage() }
        var total = 0
        while true {
            let room = unsafe stream.room
            guard room.count > 0 else { return .full }
            switch unsafe socket?.receive(into: room) {
            case nil: return .received(total)
            case .bytes(let count):
                stream.received(count)
                total += count
                // A short read means that the kernel has no more; asking again would cost a call to hear so.
                if count < room.count { return .received(total) }
            case .wouldBlock: return .received(total)
            case .ended(let read):
                let end = sendingEnd ?? .ended(read)
                // Frames that arrived before the end are still to be handled; the next call reports it.
                guard total > 0 else { return .interrupted(interrupt(end)) }
                ending = end
                return .received(total)
            }
        }
    }

    /// One message at a time: the memory of the last one goes back to the adapter.
    private mutating func fillWithMessage() -> FillOutcome {
        guard !stream.hasMessage else { return .full }
        switch messages?.receive() {
        case nil, .some(.none): return .received(0)
        case .message(let message):
            unsafe stream.received(message)
            return .received(message.count)
        case .ended(let end): return .interrupted(interrupt(sendingEnd ?? end))
        }
    }

    /// Lends the next complete frame, or nil when it has not all arrived. The frame stays valid until the next call
    /// of `nextFrame`; sending and filling do not disturb it.
    /// - Throws: that the connection is interrupted, or lost.
    package mutating func nextFrame() throws(ConnectionError) -> ReceivedFrame? {
        do throws(StreamError) {
            return try stream.nextFrame()
        } catch {
            switch error {
            case .altered(let error): throw .interrupted(interrupt(.altered(error)))
            case .violation(let what):
                interrupt(.violation(what))
                loss = .violation(what)
                throw .lost(.violation(what))
            }
        }
    }

    /// Closes the socket, so that the peer hears of it too. What verbs lent goes with the queue pair.
    @discardableResult
    private mutating func interrupt(_ why: ConnectionLoss) -> ConnectionLoss {
        close()
        stream.interrupt()
        ending = nil
        lastInterruption = why
        return why
    }

    private mutating func close() {
        formerRetransmissions += retransmissions
        socket = nil
        messages = nil
        sendingEnd = nil
        fileDescriptor = -1
        patience.rest()
    }
}

// MARK: The coherence connection

extension Connection: PageLink {
    package var roomSignal: RoomSignal { isMessages ? .readable : .writable }

    package mutating func reserve(flags: FrameFlags, bodyLength: Int, contentsLength: Int) -> FrameReservation? {
        unsafe reserve(.coherence, flags: flags, bodyLength: bodyLength, payloadLength: contentsLength)
    }

    package mutating func poll() -> PollOutcome {
        while true {
            do throws(ConnectionError) {
                if let frame = try nextFrame() { return .message(frame.delivery) }
            } catch {
                isDrained = false
                return switch error {
                case .interrupted(let why): .interrupted(why)
                case .lost(let why): .lost(why)
                }
            }
            if isDrained {
                isDrained = false
                return .empty
            }
            switch fill() {
            // A message may be behind the one that came.
            case .received(let count): isDrained = !isMessages || count == 0
            case .full: break
            case .interrupted(let why): return .interrupted(why)
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
    /// Streams so far.
    package var streams: UInt64 = 0
    /// TCP segments that were sent again, on all of them.
    package var retransmissions: UInt64 = 0

    /// How often another stream took the place of one that was interrupted.
    package var interruptions: UInt64 { streams > 0 ? streams - 1 : 0 }

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
    /// The stream is over, told once; nothing comes until the next.
    case interrupted(ConnectionLoss)
    case lost(ConnectionLoss)
}

package enum ConnectionError: Error, Sendable, Equatable {
    case interrupted(ConnectionLoss)
    case lost(ConnectionLoss)
}
