package import Verbs

/// Sealed records over a reliable connection of an adapter. A message is one SEND: whole records, as many as lie ready and fit a slot, so that the
/// other end opens each where it arrived. Nothing here blocks or allocates, but `init`.
///
/// Credits keep the other end's queue from running dry: a message takes one, and a slot that was given back returns one with the next message, in its
/// immediate data. The last credit is for a message that does nothing but return credits, sent when half of the slots wait to be told; so neither end
/// can wait for the other for ever. Whoever forges immediate data on the wire can stop a stream, as he can by cutting it: records are sealed, and the
/// stream ends.
package struct MessageStream<Queues: WorkQueues & ~Copyable>: ~Copyable, Sendable {
    private let queues: Queues
    private var failure: ConnectionLoss?

    /// Messages that the other end has room for, as far as this end was told.
    private var credits = MessageSlots.receives
    /// Slots given back since the other end was last told.
    private var owed = 0
    /// Sends in the order in which they complete: those with a slot take slots in turn.
    private var firstSend = 0
    private var sends = 0
    private var hasSlot: UInt64 = 0
    private var nextSlot = 0
    private var busySlots = 0

    /// Messages that have come and were not taken, in order.
    private var arrivals: [(slot: Int, count: Int)]
    private var firstArrival = 0
    private var arrivalCount = 0
    private var lent: Int?

    /// - Parameter connect: has the other end's messages come in, once there is room for them.
    /// - Throws: that the receiving slots cannot be posted, or what `connect` throws.
    package init(_ queues: consuming Queues, connect: (borrowing Queues) throws(VerbsError) -> Void) throws(VerbsError) {
        arrivals = Array(repeating: (0, 0), count: MessageSlots.receives)
        for slot in 0..<MessageSlots.receives { try queues.postReceive(slot) }
        // Nothing has come yet, so no event is missed.
        try queues.arm(sends: false)
        try connect(queues)
        self.queues = queues
    }

    package var fileDescriptor: Int32 { queues.fileDescriptor }

    // MARK: Sending

    package enum Sent: Equatable {
        case bytes(Int)
        /// The descriptor becomes readable when it is worth another try.
        case wouldBlock
        case ended(ConnectionLoss)
    }

    /// Sends the records at the front of `records`, which begins with a whole one and holds no part of one.
    package mutating func send(_ records: UnsafeRawBufferPointer) -> Sent {
        if !canSend {
            reap()
            if !canSend, failure == nil {
                arm()
                reap()
            }
        }
        if let failure { return .ended(failure) }
        guard canSend else { return .wouldBlock }
        let count = unsafe MessageSlots.wholeRecords(records)
        let slot = nextSlot
        // SAFETY: the slot is no send's, and holds the longest record.
        unsafe queues.slot(MessageSlots.receives + slot).copyMemory(from: UnsafeRawBufferPointer(rebasing: records[..<count]))
        guard post(slot, count) else { return failure.map { .ended($0) } ?? .wouldBlock }
        nextSlot = (nextSlot + 1) % MessageSlots.sends
        busySlots += 1
        return .bytes(count)
    }

    private var canSend: Bool { credits > 1 && busySlots < MessageSlots.sends && sends < MessageSlots.requests }

    private mutating func post(_ slot: Int?, _ count: Int) -> Bool {
        do throws(VerbsError) { try queues.postSend(slot, count: count, immediate: UInt32(owed)) } catch {
            failure = .adapter(error)
            return false
        }
        let place = UInt64(1) << UInt64((firstSend + sends) % MessageSlots.requests)
        hasSlot = slot == nil ? hasSlot & ~place : hasSlot | place
        sends += 1
        credits -= 1
        owed = 0
        return true
    }

    // MARK: Receiving

    // SAFETY: whoever takes a message gives it up before the next call.
    @safe package enum Received {
        /// Whole records, valid until the next call.
        case message(UnsafeMutableRawBufferPointer)
        /// None has come: wait for the descriptor.
        case none
        case ended(ConnectionLoss)
    }

    /// Takes the next message, and gives back the slot of the one before.
    package mutating func receive() -> Received {
        if let slot = lent {
            lent = nil
            giveBack(slot)
        }
        if arrivalCount == 0 { reap() }
        if arrivalCount == 0, failure == nil {
            queues.takeEvent()
            arm()
            reap()
        }
        guard arrivalCount > 0 else { return failure.map { .ended($0) } ?? .none }
        let (slot, count) = arrivals[firstArrival]
        firstArrival = (firstArrival + 1) % MessageSlots.receives
        arrivalCount -= 1
        lent = slot
        return unsafe .message(UnsafeMutableRawBufferPointer(rebasing: queues.slot(slot)[..<count]))
    }

    private mutating func giveBack(_ slot: Int) {
        guard failure == nil else { return }
        do throws(VerbsError) { try queues.postReceive(slot) } catch {
            failure = .adapter(error)
            return
        }
        owed += 1
        returnCredits()
    }

    /// Says so alone when half of the slots wait to be told.
    private mutating func returnCredits() {
        guard failure == nil, owed >= MessageSlots.receives / 2, credits > 0, sends < MessageSlots.requests else { return }
        _ = post(nil, 0)
    }

    // MARK: The adapter

    /// Takes what the adapter has done.
    private mutating func reap() {
        while failure == nil, let completion = queues.next() {
            switch completion {
            case .failed(let error): failure = .adapter(error)
            case .sent:
                guard sends > 0 else {
                    failure = .violation("an adapter that has sent more than it was given")
                    return
                }
                if hasSlot >> UInt64(firstSend) & 1 == 1 { busySlots -= 1 }
                firstSend = (firstSend + 1) % MessageSlots.requests
                sends -= 1
            case .received(let slot, let count, let immediate):
                guard credits + Int(immediate) <= MessageSlots.receives, arrivalCount < MessageSlots.receives else {
                    failure = .violation("it gives back \(immediate) slots more than it has")
                    return
                }
                credits += Int(immediate)
                if count == 0 {
                    giveBack(slot)
                } else {
                    arrivals[(firstArrival + arrivalCount) % MessageSlots.receives] = (slot, count)
                    arrivalCount += 1
                }
            }
        }
        returnCredits()
    }

    /// `send` takes no event: what it finds beside the credits that it looks for keeps the descriptor readable for `receive`.
    private mutating func arm() {
        do throws(VerbsError) { try queues.arm(sends: busySlots == MessageSlots.sends || sends == MessageSlots.requests) } catch {
            failure = .adapter(error)
        }
    }
}

/// How many messages are under way at most in each direction of a stream, and how long they are.
package enum MessageSlots {
    package static let receives = 16
    package static let sends = 16
    /// Sends that have not completed: those with a slot, and those that only return credits.
    package static let requests = receives + sends
    /// The longest record of a coherence connection, in whole pages of memory.
    package static let size = (FrameHeader.byteCount + FrameKind.coherence.maximumBody + FrameHeader.maximumPayload + SealingKey.tagLength + 4095) & ~4095

    /// Bytes of the records at the front that fit a slot together.
    fileprivate static func wholeRecords(_ records: UnsafeRawBufferPointer) -> Int {
        var count = 0
        while count < records.count {
            // SAFETY: a whole record begins here.
            let word = unsafe UInt64(littleEndian: records.loadUnaligned(fromByteOffset: count, as: UInt64.self))
            let length = FrameHeader.frameLength(firstWord: word) + SealingKey.tagLength
            if count + length > size { break }
            count += length
        }
        precondition(count > 0, "a record longer than any of a coherence connection")
        return count
    }
}
