import Platform
import Coherence
import Glibc
import KVM
package import Interconnect

/// One peer's link as the coherence loop uses it: never blocks on sending. What the link has no room for waits in order
/// in `overflow`, which allocates; links have so much room that this stays rare, and it is counted.
// SAFETY: `outgoing` and `incoming` are allocations of `bufferSize` bytes for the object's life.
@safe
package final class PageChannel<Link: PageLink & ~Copyable> {
    /// Most bytes of one message's contents, whole or as differences.
    static var bufferSize: Int { Message.maximumPages * TransferHistory.largestDifference }
    /// Bytes that may wait for a peer beyond what its link takes: a peer that reads nothing for so long is lost. Its processors' requests alone can
    /// bring a quarter of it.
    private static var overflowLimit: Int { 128 << 20 }
    /// MiB that a node gives to the histories of all its channels together.
    static var historyMiB: Int { 32 }

    let peer: NodeID
    /// Sends the differences of pages, where they are shorter.
    var sendsDifferences = false
    /// Pages that went as differences, and the bytes that this has spared.
    private(set) var differencesSent: UInt64 = 0
    private(set) var bytesSpared: UInt64 = 0
    private(set) var overflowed: UInt64 = 0
    private var link: Link
    private var sent: TransferHistory
    private var received: TransferHistory
    /// Differences on their way out, and pages made from those that came in.
    private let outgoing: UnsafeMutableRawPointer
    private let incoming: UnsafeMutableRawPointer
    private var overflow: [WaitingMessage] = []
    private var overflowBytes = 0
    private var isFlushPending = false
    private var isWatchedForRoom = false

    /// - Parameter nodes: of the machine: the ends of a link have to agree about how many pages they remember.
    package init(_ link: consuming Link, nodes: Int) {
        peer = NodeID(of: link.peer)
        self.link = link
        let share = (Self.historyMiB << 8) / (2 * max(1, nodes - 1))
        let pages = 1 << (Int.bitWidth - 1 - share.leadingZeroBitCount)
        sent = TransferHistory(count: pages)
        received = TransferHistory(count: pages)
        unsafe outgoing = .allocate(byteCount: Self.bufferSize, alignment: 64)
        unsafe incoming = .allocate(byteCount: Self.bufferSize, alignment: 64)
    }

    deinit {
        unsafe outgoing.deallocate()
        unsafe incoming.deallocate()
    }

    var fileDescriptor: Int32 { link.fileDescriptor }
    var counters: ConnectionCounters { link.counters }

    // MARK: Sending

    /// Queues a message with the contents of `pages`, taken from `memory` now.
    func send(_ message: Message, _ pages: PageSelection, memory: GuestMemory) {
        isFlushPending = true
        let whole = pages.count * PageNumber.size
        var flags: FrameFlags = []
        var length = whole
        if sendsDifferences, !pages.isEmpty {
            length = differences(pages, memory)
            // Long ones go whole: the receiver installs the page from where it arrived.
            if length <= whole / 4 * 3 {
                flags = .differences
                differencesSent += UInt64(pages.count)
                bytesSpared += UInt64(whole - length)
            } else {
                length = whole
            }
        }
        if overflow.isEmpty, let room = unsafe link.reserve(flags: flags, bodyLength: Message.encodedSize, contentsLength: length) {
            // SAFETY: the reservation has exactly these lengths.
            unsafe fill(room.body, room.payload, message, flags, pages, memory)
            link.commit()
            return
        }
        overflowed += 1
        var waiting = WaitingMessage(
            flags: flags, body: [UInt8](repeating: 0, count: Message.encodedSize), contents: [UInt8](repeating: 0, count: length))
        // SAFETY: both arrays have the lengths that `fill` writes.
        unsafe waiting.body.withUnsafeMutableBytes { body in
            unsafe waiting.contents.withUnsafeMutableBytes { contents in
                unsafe fill(body, contents, message, flags, pages, memory)
            }
        }
        overflowBytes += Message.encodedSize + length
        overflow.append(waiting)
    }

    /// Puts the differences of the pages into `outgoing`; how many bytes they are.
    private func differences(_ pages: PageSelection, _ memory: GuestMemory) -> Int {
        var length = 0
        for page in pages {
            length += unsafe sent.encode(page, memory.contents(page), to: outgoing + length)
        }
        return length
    }

    private func fill(
        _ body: UnsafeMutableRawBufferPointer, _ contents: UnsafeMutableRawBufferPointer, _ message: Message, _ flags: FrameFlags,
        _ pages: PageSelection, _ memory: GuestMemory
    ) {
        var bytes = unsafe MutableSpan<UInt8>(_unsafeBytes: body)
        message.encode(into: &bytes)
        if flags.contains(.differences) {
            unsafe contents.copyMemory(from: UnsafeRawBufferPointer(start: outgoing, count: contents.count))
            return
        }
        guard var place = contents.baseAddress else { return }
        for page in pages {
            unsafe memory.copyOut(page, to: place)
            if !sendsDifferences { unsafe sent.remember(page, place) }
            unsafe place += PageNumber.size
        }
    }

    /// Queues waiting messages as far as there is room; whether any was.
    private func drainOverflow() -> Bool {
        var moved = 0
        for next in overflow {
            guard let room = unsafe link.reserve(flags: next.flags, bodyLength: next.body.count, contentsLength: next.contents.count)
            else { break }
            // SAFETY: the reservation has exactly these lengths.
            unsafe room.body.copyBytes(from: next.body)
            unsafe room.payload.copyBytes(from: next.contents)
            link.commit()
            overflowBytes -= next.body.count + next.contents.count
            moved += 1
        }
        overflow.removeFirst(moved)
        return moved > 0
    }

    /// Hands what is queued to the link's network; asks the poller to tell when it takes more.
    /// - Returns: what happened to the link; nil as long as it serves.
    func flush(_ poller: borrowing Poller, number: UInt32) throws(SystemError) -> LinkEnd? {
        guard isFlushPending || link.hasOutput else { return nil }
        guard overflowBytes <= Self.overflowLimit else { return .lost(.unread(bytes: overflowBytes)) }
        while true {
            switch link.flush() {
            case .lost(let loss): return .lost(loss)
            case .wouldBlock:
                try watchForRoom(true, poller, number)
                return nil
            case .drained:
                if drainOverflow() { continue }
                // What found no room goes on when the peer has been heard.
                isFlushPending = !overflow.isEmpty
                try watchForRoom(false, poller, number)
                return nil
            }
        }
    }

    /// To be called every quarter of a second.
    func tick(now: UInt64) -> LinkEnd? { link.tick(now: now).map { .interrupted($0) } }

    /// The link goes on over something else; its descriptor is one that no poller knows.
    func adopt(_ next: Link.Renewal, now: UInt64) {
        link.adopt(next, now: now)
        isWatchedForRoom = false
        isFlushPending = true
    }

    private func watchForRoom(_ isWanted: Bool, _ poller: borrowing Poller, _ number: UInt32) throws(SystemError) {
        // An interrupted link has no descriptor; what it goes on with is watched for nothing yet.
        guard fileDescriptor >= 0 else { return isWatchedForRoom = false }
        guard case .writable = link.roomSignal, isWanted != isWatchedForRoom else { return }
        try poller.watch(fileDescriptor, as: number, writable: isWanted)
        isWatchedForRoom = isWanted
    }

    // MARK: Receiving

    func poll() -> PollOutcome { link.poll() }

    /// The pages that came with `message`, whole, valid until the next `poll`; nil when the contents are not those of the message.
    func contents(_ delivery: PageDelivery, of message: Message) -> UnsafeRawBufferPointer? {
        let contents = unsafe delivery.unsafeContents
        let pages = message.pagesOfContents
        guard delivery.flags.contains(.differences) else {
            guard contents.count == pages.count * PageNumber.size else { return nil }
            guard var place = contents.baseAddress else { return unsafe contents }
            for page in pages {
                unsafe received.remember(page, place)
                unsafe place += PageNumber.size
            }
            return unsafe contents
        }
        var rest = unsafe contents
        var offset = 0
        for page in pages {
            guard let length = unsafe received.decode(page, rest, to: incoming + offset) else { return nil }
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[length...])
            offset += PageNumber.size
        }
        return unsafe rest.isEmpty ? UnsafeRawBufferPointer(start: incoming, count: offset) : nil
    }
}

/// A message that its link had no room for.
private struct WaitingMessage {
    var flags: FrameFlags
    var body: [UInt8]
    var contents: [UInt8]
}

/// Why a link moves nothing.
enum LinkEnd: Equatable {
    case interrupted(ConnectionLoss)
    case lost(ConnectionLoss)
}
