import Contract
import Machine

/// Signals of a guest for one other node that wait beside its control connection, while that has no room to spare. Nothing bounds how many a guest
/// gives during an outage, so those that say together what one says become one: a vector that is requested already (Intel SDM volume 3, "Interrupt
/// Acceptance for Fixed Interrupts": the request register has one bit for each), a destination that was replaced, moves of the clock, and a wire that
/// went up and down.
struct SignalBacklog {
    /// Different signals that may wait.
    static let limit = 1 << 16

    private enum Key: Hashable {
        /// With the number of INIT and start-up messages before it: what is for a processor before its reset is not for it afterwards.
        case interrupt(InterruptMessage, after: Int)
        case destination(APICID)
        case clock
        case wire(DeviceAccess)
    }

    private var order: [Key] = []
    /// Keys at the front of `order` that are gone.
    private var taken = 0
    private var waiting: [Key: [ControlMessage]] = [:]
    private var resets = 0

    var isEmpty: Bool { taken == order.count }
    var count: Int { order.count - taken }

    /// Whether signals like this one may wait and be merged here.
    static func takes(_ message: ControlMessage) -> Bool {
        switch message {
        case .interrupt, .logicalDestination, .timestampMove: true
        case .deviceRequest(let request): request.access.space == .wire && request.sequence == nil
        case .membership, .deviceReply, .timePing, .timePong, .statRequest, .statReply, .policies, .update: false
        }
    }

    /// - Returns: false when too many wait, and it is not added.
    mutating func add(_ message: ControlMessage) -> Bool {
        switch message {
        case .interrupt(let interrupt):
            let isReset = interrupt.deliveryMode == .initialize || interrupt.deliveryMode == .startup
            if isReset { resets += 1 }
            return put(message, .interrupt(interrupt, after: resets)) { _ in }
        case .logicalDestination(let processor, _): return put(message, .destination(processor)) { $0 = [message] }
        case .timestampMove(let ticks):
            return put(message, .clock) { waiting in
                if case .timestampMove(let before)? = waiting.last { waiting = [.timestampMove(before &+ ticks)] }
            }
        case .deviceRequest(let request): return put(message, .wire(request.access)) { $0 = [$0[$0.count - 1], message] }
        case .membership, .deviceReply, .timePing, .timePong, .statRequest, .statReply, .policies, .update:
            preconditionFailure("it is no signal")
        }
    }

    private mutating func put(_ message: ControlMessage, _ key: Key, merge: (inout [ControlMessage]) -> Void) -> Bool {
        if var messages = waiting[key] {
            merge(&messages)
            waiting[key] = messages
            return true
        }
        guard count < Self.limit else { return false }
        if taken >= Self.limit {
            order.removeFirst(taken)
            taken = 0
        }
        waiting[key] = [message]
        order.append(key)
        return true
    }

    /// Gives away what has waited longest, as far as `send` takes it.
    mutating func empty(_ send: (ControlMessage) -> Bool) {
        while taken < order.count, let messages = waiting[order[taken]] {
            for (sent, message) in messages.enumerated() {
                guard send(message) else {
                    waiting[order[taken]] = Array(messages[sent...])
                    return
                }
            }
            waiting[order[taken]] = nil
            taken += 1
        }
        (order, taken) = ([], 0)
    }
}
