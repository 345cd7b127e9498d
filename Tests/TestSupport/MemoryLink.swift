package import Contract
package import Interconnect
import Platform
import Synchronization

/// A link between two nodes of one process that behaves as verbs do: a fixed number of buffers in each direction, which the
/// link owns; a message needs a free one (a credit); buffers go back as the receiver polls on; one descriptor that becomes
/// readable for arrivals and for credits alike, and never writable.
package final class MemoryWire: Sendable {
    /// Bytes of one buffer: the longest body and the longest contents.
    fileprivate static let bufferSize = FrameKind.coherence.maximumBody + FrameHeader.maximumPayload + 1024

    fileprivate let directions: [Direction]
    fileprivate let events: [Event]

    /// - Parameter credits: messages that may be under way in each direction.
    package init(credits: Int) throws {
        directions = (0..<2).map { _ in Direction(buffers: credits) }
        events = try (0..<2).map { _ in try Event() }
    }

    /// One of the two ends (0 or 1), to be taken once; `peer` is the index of the node at the other.
    package func end(_ side: Int, peer: NodeIndex) -> MemoryLink { MemoryLink(self, side: side, peer: peer) }

    fileprivate final class Event: Sendable {
        let flag: WakeEvent
        init() throws { flag = try WakeEvent() }
    }

    /// The buffers of one direction, a ring.
    // SAFETY: unchecked because a buffer belongs to the sender until it is published and to the receiver from then until it is given back.
    @safe fileprivate final class Direction: @unchecked Sendable {
        struct Published {
            var flags: FrameFlags = []
            var body = 0
            var contents = 0
        }

        struct State {
            var first = 0
            /// Published and not given back.
            var count = 0
            var isClosed = false
            var published: [Published]
        }

        let memory: UnsafeMutableRawPointer
        let buffers: Int
        let state: Mutex<State>

        init(buffers: Int) {
            self.buffers = buffers
            unsafe memory = .allocate(byteCount: buffers * MemoryWire.bufferSize, alignment: 8)
            state = Mutex(State(published: [Published](repeating: Published(), count: buffers)))
        }

        deinit { unsafe memory.deallocate() }

        func buffer(_ index: Int) -> UnsafeMutableRawPointer { unsafe memory + index % buffers * MemoryWire.bufferSize }
    }
}

package struct MemoryLink: PageLink, ~Copyable {
    package typealias Renewal = Never

    package var roomSignal: RoomSignal { .readable }

    package let peer: NodeIndex
    package private(set) var counters = ConnectionCounters()

    private let wire: MemoryWire
    private let side: Int
    private var reserved: MemoryWire.Direction.Published?
    private var isUnflushed = false
    private var isLending = false

    fileprivate init(_ wire: MemoryWire, side: Int, peer: NodeIndex) {
        self.wire = wire
        self.side = side
        self.peer = peer
    }

    deinit {
        for direction in wire.directions { direction.state.withLock { $0.isClosed = true } }
        wire.events[1 - side].flag.raise()
    }

    package var fileDescriptor: Int32 { wire.events[side].flag.rawDescriptor }
    private var outgoing: MemoryWire.Direction { wire.directions[side] }
    private var incoming: MemoryWire.Direction { wire.directions[1 - side] }

    package mutating func reserve(flags: FrameFlags, bodyLength: Int, contentsLength: Int) -> FrameReservation? {
        precondition(bodyLength + contentsLength <= MemoryWire.bufferSize, "a message fits into a buffer")
        let direction = outgoing
        guard let place = direction.state.withLock({ $0.count < direction.buffers ? $0.first + $0.count : nil }) else { return nil }
        reserved = MemoryWire.Direction.Published(flags: flags, body: bodyLength, contents: contentsLength)
        let buffer = unsafe direction.buffer(place)
        return unsafe FrameReservation(
            body: UnsafeMutableRawBufferPointer(start: buffer, count: bodyLength),
            payload: UnsafeMutableRawBufferPointer(start: buffer + bodyLength, count: contentsLength))
    }

    package mutating func commit() {
        guard let message = reserved else { preconditionFailure("commit without a reservation") }
        let direction = outgoing
        direction.state.withLock { state in
            state.published[(state.first + state.count) % direction.buffers] = message
            state.count += 1
        }
        counters.framesSent += 1
        counters.bytesSent += UInt64(message.body + message.contents)
        reserved = nil
        isUnflushed = true
    }

    package var hasOutput: Bool { isUnflushed }

    package mutating func tick(now: UInt64) -> ConnectionLoss? { nil }

    package mutating func adopt(_ next: Never, now: UInt64) {}

    package mutating func flush() -> FlushOutcome {
        if outgoing.state.withLock({ $0.isClosed }) { return .lost(.closed) }
        if isUnflushed { wire.events[1 - side].flag.raise() }
        isUnflushed = false
        return .drained
    }

    package mutating func poll() -> PollOutcome {
        if isLending {
            incoming.state.withLock { state in
                state.first += 1
                state.count -= 1
            }
            isLending = false
            wire.events[1 - side].flag.raise()
        }
        if let delivery = next() { return .message(delivery) }
        wire.events[side].flag.clear()
        // What came between the look and the clearing is looked for again, and the descriptor stays readable for what is behind it.
        if let delivery = next() {
            wire.events[side].flag.raise()
            return .message(delivery)
        }
        guard incoming.state.withLock({ $0.isClosed }) else { return .empty }
        wire.events[side].flag.raise()
        return .lost(.closed)
    }

    private mutating func next() -> PageDelivery? {
        let direction = incoming
        let (place, found) = direction.state.withLock { state in
            (state.first, state.count > 0 ? state.published[state.first % direction.buffers] : nil)
        }
        guard let message = found else { return nil }
        isLending = true
        counters.framesReceived += 1
        counters.bytesReceived += UInt64(message.body + message.contents)
        let buffer = unsafe direction.buffer(place)
        return unsafe PageDelivery(
            flags: message.flags, body: UnsafeRawBufferPointer(start: buffer, count: message.body),
            contents: UnsafeRawBufferPointer(start: buffer + message.body, count: message.contents))
    }
}
