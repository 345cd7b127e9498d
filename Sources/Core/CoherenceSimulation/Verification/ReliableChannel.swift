/// A reliable ordered channel from one node to another, over a network that loses, duplicates, delays and reorders: sequence
/// numbers, cumulative acknowledgements, retransmission with exponential backoff, and suppression of duplicates. It stands for what TCP
/// (RFC 9293, RFC 6298) or an InfiniBand reliable connection gives the engine in the product.
struct ReliableChannel<Payload> {
    struct Segment {
        var sequence: UInt64
        var payload: Payload
    }

    /// Nanoseconds until a segment that nobody acknowledged is sent again; doubled each time, up to `longestTimeout`.
    let timeout: UInt64
    let longestTimeout: UInt64

    // The sender's side.
    private var nextSequence: UInt64 = 0
    private var unacknowledged: [Segment] = []
    private var currentTimeout: UInt64
    /// When the oldest segment is sent again, while one is unacknowledged.
    private(set) var retransmitAt: UInt64?

    // The receiver's side.
    private var expected: UInt64 = 0
    private var early: [UInt64: Payload] = [:]

    init(timeout: UInt64) {
        self.timeout = timeout
        longestTimeout = timeout * 64
        currentTimeout = timeout
    }

    /// The sender hands over a payload: what goes on the wire.
    mutating func send(_ payload: Payload, now: UInt64) -> Segment {
        let segment = Segment(sequence: nextSequence, payload: payload)
        nextSequence += 1
        unacknowledged.append(segment)
        if retransmitAt == nil { retransmitAt = now + currentTimeout }
        return segment
    }

    /// The receiver has everything below `acknowledged`.
    mutating func acknowledge(_ acknowledged: UInt64, now: UInt64) {
        guard let oldest = unacknowledged.first?.sequence, oldest < acknowledged else { return }
        unacknowledged.removeFirst(Int(acknowledged - oldest))
        currentTimeout = timeout
        retransmitAt = unacknowledged.isEmpty ? nil : now + currentTimeout
    }

    /// `retransmitAt` has come: the oldest segment goes on the wire again.
    mutating func retransmit(now: UInt64) -> Segment? {
        guard let deadline = retransmitAt, deadline <= now, let oldest = unacknowledged.first else { return nil }
        currentTimeout = min(currentTimeout * 2, longestTimeout)
        retransmitAt = now + currentTimeout
        return oldest
    }

    /// A segment arrived: the payloads that are in order now. Each comes once. `acknowledgement` goes back to the sender.
    mutating func receive(_ segment: Segment) -> [Payload] {
        guard segment.sequence >= expected else { return [] }
        early[segment.sequence] = segment.payload
        var ready: [Payload] = []
        while let payload = early.removeValue(forKey: expected) {
            ready.append(payload)
            expected += 1
        }
        return ready
    }

    var acknowledgement: UInt64 { expected }
}
