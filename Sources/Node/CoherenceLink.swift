package import Coherence
import Glibc
import Hypervisor
package import Interconnect

/// One peer's coherence connection as the loop uses it: never blocks on sending. What the send ring cannot take waits
/// in order in `overflow`, which allocates; the ring is sized so that this stays rare, and it is counted.
package final class CoherenceLink {
    let peer: NodeID
    private var connection: Connection
    private var overflow: [Waiting] = []
    private(set) var overflowed: UInt64 = 0
    private var isFlushPending = false
    private var isWatchedForRoom = false

    private struct Waiting {
        var body: [UInt8]
        var payload: [UInt8]
    }

    package init(_ connection: consuming Connection, peer: NodeID) {
        self.connection = connection
        self.peer = peer
    }

    var fileDescriptor: Int32 { connection.fileDescriptor }
    var counters: ConnectionCounters { connection.counters }

    // MARK: Sending

    /// Queues a message with `pages` of contents taken from `memory` now.
    func send(_ message: Message, first: PageNumber, mask: UInt64, memory: GuestMemory) {
        isFlushPending = true
        let payloadLength = mask.nonzeroBitCount * PageNumber.size
        if overflow.isEmpty,
            let room = unsafe connection.reserve(.coherence, bodyLength: Message.encodedSize, payloadLength: payloadLength)
        {
            // SAFETY: the reservation has exactly these lengths.
            unsafe Self.fill(room.body, room.payload, message, first, mask, memory)
            connection.commit()
            return
        }
        overflowed += 1
        var waiting = Waiting(
            body: [UInt8](repeating: 0, count: Message.encodedSize), payload: [UInt8](repeating: 0, count: payloadLength))
        // SAFETY: both arrays have the lengths that `fill` writes.
        unsafe waiting.body.withUnsafeMutableBytes { body in
            unsafe waiting.payload.withUnsafeMutableBytes { payload in
                unsafe Self.fill(body, payload, message, first, mask, memory)
            }
        }
        overflow.append(waiting)
    }

    private static func fill(
        _ body: UnsafeMutableRawBufferPointer, _ payload: UnsafeMutableRawBufferPointer, _ message: Message,
        _ first: PageNumber, _ mask: UInt64, _ memory: GuestMemory
    ) {
        var bytes = unsafe MutableSpan<UInt8>(_unsafeBytes: body)
        message.encode(into: &bytes)
        var offset = 0
        var rest = mask
        while rest != 0 {
            let page = UInt64(first.rawValue) + UInt64(rest.trailingZeroBitCount)
            unsafe memory.copyOut(page, to: payload.baseAddress! + offset)
            offset += PageNumber.size
            rest &= rest - 1
        }
    }

    private func drainOverflow() {
        while let next = overflow.first {
            let queued = unsafe next.body.withUnsafeBytes { body in
                unsafe next.payload.withUnsafeBytes { payload in
                    unsafe connection.enqueue(.coherence, body: body, payload: payload)
                }
            }
            guard queued else { return }
            overflow.removeFirst()
        }
    }

    /// Hands what is queued to the kernel; asks the poller to tell when it takes more.
    func flush(_ poller: borrowing Poller, number: UInt32) throws(HypervisorError) -> ConnectionLoss? {
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
}
