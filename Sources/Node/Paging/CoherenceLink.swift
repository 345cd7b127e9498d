import Platform
package import Coherence
import Glibc
import KVM
package import Interconnect

/// One peer's coherence connection as the loop uses it: never blocks on sending. What the send ring cannot take waits
/// in order in `overflow`, which allocates; the ring is sized so that this stays rare, and it is counted.
// SAFETY: `outgoing` and `incoming` are allocations of `bufferSize` bytes for the object's life.
@safe
package final class CoherenceLink {
    /// Most bytes of one message's contents, whole or as differences.
    private static let bufferSize = Message.maximumPages * TransferHistory.largestDifference
    /// MiB that a node gives to the histories of all its links together.
    private static let historyMiB = 32

    let peer: NodeID
    /// Sends the differences of pages, where they are shorter.
    var sendsDifferences = false
    /// Pages that went as differences, and the bytes that this has spared.
    private(set) var differencesSent: UInt64 = 0
    private(set) var bytesSpared: UInt64 = 0
    private(set) var overflowed: UInt64 = 0
    private var connection: Connection
    private var sent: TransferHistory
    private var received: TransferHistory
    /// Differences on their way out, and pages made from those that came in.
    private let outgoing: UnsafeMutableRawPointer
    private let incoming: UnsafeMutableRawPointer
    private var overflow: [Waiting] = []
    private var isFlushPending = false
    private var isWatchedForRoom = false

    private struct Waiting {
        var flags: FrameFlags
        var body: [UInt8]
        var payload: [UInt8]
    }

    /// - Parameter nodes: of the machine: the ends of a link have to agree about how many pages they remember.
    package init(_ connection: consuming Connection, peer: NodeID, nodes: Int) {
        self.connection = connection
        self.peer = peer
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

    var fileDescriptor: Int32 { connection.fileDescriptor }
    var counters: ConnectionCounters { connection.counters }

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
        if overflow.isEmpty,
            let room = unsafe connection.reserve(.coherence, flags: flags, bodyLength: Message.encodedSize, payloadLength: length)
        {
            // SAFETY: the reservation has exactly these lengths.
            unsafe fill(room.body, room.payload, message, flags, pages, memory)
            connection.commit()
            return
        }
        overflowed += 1
        var waiting = Waiting(
            flags: flags, body: [UInt8](repeating: 0, count: Message.encodedSize), payload: [UInt8](repeating: 0, count: length))
        // SAFETY: both arrays have the lengths that `fill` writes.
        unsafe waiting.body.withUnsafeMutableBytes { body in
            unsafe waiting.payload.withUnsafeMutableBytes { payload in
                unsafe fill(body, payload, message, flags, pages, memory)
            }
        }
        overflow.append(waiting)
    }

    /// Puts the differences of the pages into `outgoing`; how many bytes they are.
    private func differences(_ pages: PageSelection, _ memory: GuestMemory) -> Int {
        var length = 0
        for page in pages {
            length += unsafe sent.encode(page, memory.contents(UInt64(page.rawValue)), to: outgoing + length)
        }
        return length
    }

    private func fill(
        _ body: UnsafeMutableRawBufferPointer, _ payload: UnsafeMutableRawBufferPointer, _ message: Message, _ flags: FrameFlags,
        _ pages: PageSelection, _ memory: GuestMemory
    ) {
        var bytes = unsafe MutableSpan<UInt8>(_unsafeBytes: body)
        message.encode(into: &bytes)
        if flags.contains(.differences) {
            unsafe memcpy(payload.baseAddress!, outgoing, payload.count)
            return
        }
        var offset = 0
        for page in pages {
            unsafe memory.copyOut(UInt64(page.rawValue), to: payload.baseAddress! + offset)
            if !sendsDifferences { unsafe sent.remember(page, payload.baseAddress! + offset) }
            offset += PageNumber.size
        }
    }

    private func drainOverflow() {
        while let next = overflow.first {
            let queued = unsafe next.body.withUnsafeBytes { body in
                unsafe next.payload.withUnsafeBytes { payload in
                    unsafe connection.enqueue(.coherence, flags: next.flags, body: body, payload: payload)
                }
            }
            guard queued else { return }
            overflow.removeFirst()
        }
    }

    /// Hands what is queued to the kernel; asks the poller to tell when it takes more.
    func flush(_ poller: borrowing Poller, number: UInt32) throws(SystemError) -> ConnectionLoss? {
        guard isFlushPending else { return nil }
        repeat {
            switch connection.flush() {
            case .lost(let loss): return loss
            case .wouldBlock:
                if !isWatchedForRoom { try poller.watch(fileDescriptor, as: number, writable: true) }
                isWatchedForRoom = true
                return nil
            case .drained: drainOverflow()
            }
        } while connection.pendingBytes > 0
        isFlushPending = false
        if isWatchedForRoom { try poller.watch(fileDescriptor, as: number, writable: false) }
        isWatchedForRoom = false
        return nil
    }

    // MARK: Receiving

    func fill() -> FillOutcome { connection.fill() }
    func nextFrame() throws(FrameError) -> ReceivedFrame? { try connection.nextFrame() }

    /// The pages that came with `message`, whole, valid until the next call; nil when the payload is not what follows it.
    func contents(_ frame: ReceivedFrame, of message: Message) -> UnsafeRawBufferPointer? {
        let payload = unsafe frame.unsafePayload
        let pages = message.pagesOfContents
        guard frame.flags.contains(.differences) else {
            guard payload.count == pages.count * PageNumber.size else { return nil }
            var offset = 0
            for page in pages {
                unsafe received.remember(page, payload.baseAddress! + offset)
                offset += PageNumber.size
            }
            return unsafe payload
        }
        var rest = unsafe payload
        var offset = 0
        for page in pages {
            guard let length = unsafe received.decode(page, rest, to: incoming + offset) else { return nil }
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[length...])
            offset += PageNumber.size
        }
        return unsafe rest.isEmpty ? UnsafeRawBufferPointer(start: incoming, count: offset) : nil
    }
}
