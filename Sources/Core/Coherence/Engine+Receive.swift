extension Engine {
    /// A message arrived from `sender`. Its contents, if any, stay in the driver's receive buffer until the effects are executed.
    ///
    /// - Throws: `ProtocolViolation` when the message cannot be right in this state.
    public mutating func receive(
        _ message: Message, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        clock = now
        statistics.received.counts[Int(message.kind.rawValue)] &+= 1
        statistics.bytesReceived &+= UInt64(Message.encodedSize &+ message.pagesFollowing &* PageNumber.size)
        guard let range = ranges[message.page], sender != node, Int(sender.rawValue) < nodeCount,
            isHome(range) || !message.kind.isForHome
        else { throw message.violation(from: sender) }
        switch message.kind {
        case .getShared, .getExclusive:
            try request(message, range, from: sender, now: now, effects: &effects)
        case .prefetch:
            try answerAhead(message, range, exclusive: message.exclusive, from: sender, now: now, effects: &effects)
        case .forwardShared, .forwardExclusive, .invalidate:
            try recalled(message, range, from: sender, now: now, effects: &effects)
        case .refusal:
            try refused(message, range, from: sender, now: now, effects: &effects)
        case .data:
            try arrived(message, range, from: sender, now: now, effects: &effects)
        case .grant:
            try granted(message, range, from: sender, now: now, effects: &effects)
        case .invalidateAck:
            try acknowledged(message, range, from: sender, now: now, effects: &effects)
        case .prefetchReply:
            guard sender == range.home else { throw message.violation(from: sender) }
            try prefetched(message, range, from: sender, now: now, effects: &effects)
        case .writeBack:
            try writtenBack(message, range, from: sender, effects: &effects)
        case .writeBackAck:
            try writeBackAcknowledged(message, range, from: sender, now: now, effects: &effects)
        case .replacementHint:
            try replaced(message, from: sender)
        }
    }
}

extension Message.Kind {
    /// Whether only a page's home may be sent this.
    @inline(__always)
    var isForHome: Bool {
        switch self {
        case .getShared, .getExclusive, .prefetch, .writeBack, .replacementHint: true
        default: false
        }
    }
}

extension Message {
    func violation(from sender: NodeID) -> ProtocolViolation { ProtocolViolation(kind: kind, page: page, from: sender) }
}
