import Interconnect
import Synchronization
import Verbs

/// Two ends of a reliable connection without an adapter: what is sent waits until the test delivers it, and only then leaves its slot.
final class PlayedConnection {
    let ends = [PlayedEnd(), PlayedEnd()]
    /// Messages that found no posted slot.
    private(set) var unready = 0

    func queues(_ side: Int) -> PlayedQueues { PlayedQueues(ends[side]) }

    /// Delivers the oldest message of a side; false when it has sent none.
    func deliver(_ side: Int) -> Bool {
        let (from, to) = (ends[side], ends[1 - side])
        guard !from.sends.isEmpty else { return false }
        let send = from.sends.removeFirst()
        guard !to.posted.isEmpty else {
            unready += 1
            return true
        }
        let slot = to.posted.removeFirst()
        if let source = send.slot {
            unsafe to.memory(slot).copyMemory(from: UnsafeRawBufferPointer(rebasing: from.memory(MessageSlots.receives + source)[..<send.count]))
        }
        to.complete(.received(slot: slot, count: send.count, immediate: send.immediate), isSolicited: true)
        from.complete(.sent, isSolicited: false)
        return true
    }
}

// SAFETY: unchecked because each test has one thread.
@safe final class PlayedEnd: @unchecked Sendable {
    struct Send {
        var slot: Int?
        var count: Int
        var immediate: UInt32
    }

    private enum Arm { case no, solicited, any }

    fileprivate(set) var posted: [Int] = []
    var sends: [Send] = []
    private var completions: [Completion] = []
    private var arm = Arm.no
    /// What the descriptor is.
    private(set) var isReadable = false
    private let base: UnsafeMutableRawPointer
    private static let slots = MessageSlots.receives + MessageSlots.sends

    init() { unsafe base = .allocate(byteCount: Self.slots * MessageSlots.size, alignment: 4096) }
    deinit { unsafe base.deallocate() }

    func memory(_ slot: Int) -> UnsafeMutableRawBufferPointer {
        precondition((0..<Self.slots).contains(slot))
        return unsafe UnsafeMutableRawBufferPointer(start: base + slot * MessageSlots.size, count: MessageSlots.size)
    }

    func complete(_ completion: Completion, isSolicited: Bool) {
        completions.append(completion)
        if arm == .any || arm == .solicited && isSolicited { (isReadable, arm) = (true, .no) }
    }

    fileprivate func take() -> Completion? { completions.isEmpty ? nil : completions.removeFirst() }
    fileprivate func arm(sends: Bool) { arm = sends ? .any : arm == .any ? .any : .solicited }
    fileprivate func takeEvent() { isReadable = false }
}

struct PlayedQueues: WorkQueues, ~Copyable {
    private let end: PlayedEnd

    init(_ end: PlayedEnd) { self.end = end }

    var fileDescriptor: Int32 { -1 }
    func slot(_ index: Int) -> UnsafeMutableRawBufferPointer { unsafe end.memory(index) }
    func postReceive(_ slot: Int) throws(VerbsError) {
        precondition(!end.posted.contains(slot) && slot < MessageSlots.receives, "a slot was posted twice")
        end.posted.append(slot)
    }
    func postSend(_ slot: Int?, count: Int, immediate: UInt32) throws(VerbsError) {
        precondition(end.sends.count < MessageSlots.requests, "more sends than the queue has room for")
        precondition(slot == nil || !end.sends.contains { $0.slot == slot }, "a slot was used before its send was complete")
        end.sends.append(PlayedEnd.Send(slot: slot, count: count, immediate: immediate))
    }
    func next() -> Completion? { end.take() }
    func arm(sends: Bool) throws(VerbsError) { end.arm(sends: sends) }
    func takeEvent() { end.takeEvent() }
}
