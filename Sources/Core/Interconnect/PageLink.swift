package import Contract

/// One end of the stream of coherence messages between this node and a peer, as the coherence loop drives it. `Connection` is one, over
/// TCP or verbs.
///
/// A message is a short body and the contents of some pages, whole or as differences. Messages arrive in the order in which
/// they were committed, none twice and none lost; a link that can not keep that promise any more is lost. The link owns the
/// buffers at both ends: a sender writes into what `reserve` lends, a receiver reads what `poll` lends. Nothing here blocks,
/// allocates or calls back, and one thread at a time uses a link.
package protocol PageLink: ~Copyable {
    /// What an interrupted link goes on with.
    associatedtype Renewal: Sendable

    /// How `fileDescriptor` tells that the network takes more again, after `flush` would have blocked.
    var roomSignal: RoomSignal { get }

    /// Index of the node at the other end.
    var peer: NodeIndex { get }

    /// For epoll: readable means `poll`. It stays readable, or becomes so again, as long as something waits to be polled.
    var fileDescriptor: Int32 { get }

    /// Messages and bytes that have passed, both directions.
    var counters: ConnectionCounters { get }

    /// Lends room for one message, or nil while the link has none: its send buffer is full, or the peer has given no more
    /// credits. Nothing is sent before `commit`; a second `reserve` replaces the first. A link with nothing to flush has room again when
    /// something of the peer was polled.
    mutating func reserve(flags: FrameFlags, bodyLength: Int, contentsLength: Int) -> FrameReservation?

    /// The message that `reserve` lent room for is written.
    mutating func commit()

    /// Whether `flush` has something to do, also without a new message.
    var hasOutput: Bool { get }

    /// Hands committed messages to the network, as far as it takes them.
    mutating func flush() -> FlushOutcome

    /// The next message that has arrived. What it lends stays valid until the next `poll`; sending does not disturb it.
    /// To be called until it says `empty` or `lost`.
    mutating func poll() -> PollOutcome

    /// To be called every quarter of a second. Says why the link is interrupted, if nothing has arrived at the other end for long.
    mutating func tick(now: UInt64) -> ConnectionLoss?

    /// Goes on after an interruption, or instead of what served until now. The descriptor changes. `now` is in nanoseconds.
    mutating func adopt(_ next: Renewal, now: UInt64)
}

package enum RoomSignal: Sendable {
    /// The descriptor becomes writable (a socket).
    case writable
    /// The descriptor becomes readable (a completion channel, an event).
    case readable
}

package enum PollOutcome {
    case message(PageDelivery)
    /// Nothing has arrived: wait for the descriptor.
    case empty
    /// Nothing moves until the link is given something to go on with; told once. No message is lost.
    case interrupted(ConnectionLoss)
    case lost(ConnectionLoss)
}

/// A message lent by a link, valid until its next `poll`.
// SAFETY: unsafe to read only through the members that say so.
@safe package struct PageDelivery {
    package let flags: FrameFlags
    private let body: UnsafeRawBufferPointer
    private let contents: UnsafeRawBufferPointer

    package init(flags: FrameFlags, body: UnsafeRawBufferPointer, contents: UnsafeRawBufferPointer) {
        self.flags = flags
        unsafe self.body = body
        unsafe self.contents = contents
    }

    @unsafe package var unsafeBody: UnsafeRawBufferPointer { unsafe body }

    /// The pages' contents, one piece of memory, so that they can go straight into UFFDIO_COPY.
    @unsafe package var unsafeContents: UnsafeRawBufferPointer { unsafe contents }
}
