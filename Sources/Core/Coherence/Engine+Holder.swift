/// The holder's side: forwards and invalidations from a page's home, and the holds that may postpone them.
extension Engine {
    /// The page's home recalls this node's copy: a forward or an invalidation arrived.
    mutating func recalled(
        _ message: Message, _ range: HomeRange, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        let page = message.page
        guard sender == range.home, message.requester != node else { throw message.violation(from: sender) }
        if message.kind == .forwardShared, message.zero { return try relay(message, from: sender, effects: &effects) }
        guard !deferrals.isFull else { throw message.violation(from: sender) }
        let flags = states[Int(page.rawValue)]
        if flags.deferred {
            // Behind what waits already: the node loses the page once.
            guard let first = deferrals.next(of: page), let last = deferrals.last(of: page), last.kind == .forwardShared,
                !deferrals.contains(page, message.requester)
            else { throw message.violation(from: sender) }
            postpone(
                message.kind, page, message.requester, acks: message.acks, until: first.deadline, behindRequest: first.isBehindRequest)
            return
        }
        let slot = flags.requested ? requests.slot(of: page) : nil
        if message.kind == .invalidate {
            guard flags.access != .write, message.requester != range.home || !flags.owned else {
                throw message.violation(from: sender)
            }
            guard flags.access == .read else {
                if let slot, requests[slot].kind == .shared, message.mask >= requests[slot].sequence {
                    postpone(.invalidate, page, message.requester, acks: 0, until: now, behindRequest: true)
                } else {
                    send(Message(.invalidateAck, page), to: message.requester, .none, &effects)
                }
                return
            }
        } else {
            // What came to this node after it had asked as owner is for the copy it has; anything else is for the one on its way.
            let isOwner = flags.access != .none && (flags.owned || flags.writingBack)
            if let slot, requests[slot].kind != .prefetch, !isOwner || requests[slot].arrival != .nothing {
                postpone(message.kind, page, message.requester, acks: message.acks, until: now, behindRequest: true)
                return
            }
            guard isOwner else { throw message.violation(from: sender) }
        }
        let losesAccess = message.kind != .forwardShared || flags.access == .write
        if losesAccess, let deadline = holdDeadline(page, against: message.requester, now: now) {
            postpone(message.kind, page, message.requester, acks: message.acks, until: deadline)
        } else {
            answerRecall(message.kind, page, range, message.requester, acks: message.acks, now: now, effects: &effects)
        }
    }

    /// The home asks this node, as a reader of the page, to give another reader its copy.
    private mutating func relay(_ message: Message, from sender: NodeID, effects: inout EffectBuffer) throws(ProtocolViolation) {
        let page = message.page
        switch states[Int(page.rawValue)].access {
        case .read:
            statistics.readsRelayed &+= 1
            send(Message(.data, page), to: message.requester, .page(page), &effects)
        case .none: send(Message(.refusal, page), to: message.requester, .none, &effects)
        case .write: throw message.violation(from: sender)
        }
    }

    /// Does what a recall asks for.
    mutating func answerRecall(
        _ kind: Message.Kind, _ page: PageNumber, _ range: HomeRange, _ requester: NodeID, acks: UInt8, now: Instant,
        effects: inout EffectBuffer
    ) {
        let index = Int(page.rawValue)
        if kind != .invalidate, states[index].access == .write {
            effects.append(.protect(page))
            states[index].access = .read
            if kind == .forwardShared { noteLoss(page, now: now) }
        }
        switch kind {
        case .forwardShared:
            // Memory at the home never leaves it, so the home answers for the page as soon as it has a copy again.
            if requester == range.home { states[index].owned = false }
            send(Message(.data, page), to: requester, .page(page), &effects)
        case .forwardExclusive:
            send(Message(.data, page, acks: acks, exclusive: true), to: requester, .page(page), &effects)
            dropForWriter(page, range, now: now, &effects)
        default:
            dropForWriter(page, range, now: now, &effects)
            send(Message(.invalidateAck, page), to: requester, .none, &effects)
        }
    }

    /// Drops this node's copy because another node writes the page.
    mutating func dropForWriter(_ page: PageNumber, _ range: HomeRange, now: Instant, _ effects: inout EffectBuffer) {
        statistics.invalidations &+= 1
        noteLoss(page, now: now)
        drop(page, range, &effects)
    }

    /// Drops this node's copy.
    mutating func drop(_ page: PageNumber, _ range: HomeRange, _ effects: inout EffectBuffer) {
        var flags = states[Int(page.rawValue)]
        flags.access = .none
        flags.owned = false
        if flags.leaving {
            flags.leaving = false
            leaving &-= 1
        }
        states[Int(page.rawValue)] = flags
        effects.append(.drop(page))
        guard !isHome(range) else { return }
        cache.remove(page)
        // A writer that loses the copy it read from gets the page as a whole: its place in the cache stays taken.
        if flags.requested, let slot = requests.slot(of: page), !requests[slot].fills {
            requests[slot].fills = true
            fills &+= 1
        }
    }

    /// The processor that brought the page in may be waiting for another page of the same instruction.
    private mutating func noteLoss(_ page: PageNumber, now: Instant) {
        guard minimumHold > 0 else { return }
        guard let hold = holds.hold(of: page) else { return contention.lost(page, by: nil, count: 0, now: now) }
        let place = Int(hold.processor) % outstandingFaults
        let latest = latestFault[place]
        let isWaiting = latest != 0 && latest != page.rawValue &+ 1 && states[Int(latest &- 1)].requested
        contention.lost(page, by: isWaiting ? place : nil, count: faultCounts[place], now: now)
    }

    /// Keeps a page that a fault brought in. A page that an instruction lost while it waited for another of its own is kept twice as
    /// long each time, against nodes of higher number only: then the lowest of the nodes that want the same pages at once
    /// collects them all, since every other gives way to it after the minimum.
    mutating func startHold(_ page: PageNumber, _ processor: UInt16, now: Instant) {
        guard minimumHold > 0 else { return }
        let strikes = contention.regained(page, within: maximumHold &* 4, now: now)
        let long = strikes >= 32 ? maximumHold : min(minimumHold << UInt64(strikes), maximumHold)
        if long > minimumHold { statistics.holdExtensions &+= 1 }
        let until = now.advanced(byNanoseconds: long)
        holds.start(
            Hold(
                page: page, processor: processor, firmUntil: now.advanced(byNanoseconds: minimumHold), until: until,
                rememberedUntil: until.advanced(byNanoseconds: maximumHold)),
            now: now)
    }

    /// When the page's hold ends for `requester`, or nil when it may have it now. A processor here that waits to write the
    /// page can not go on with the copy it has, so such a copy is not held. Where no more can wait nothing is held.
    @inline(__always)
    func holdDeadline(_ page: PageNumber, against requester: NodeID, now: Instant) -> Instant? {
        guard let hold = holds.hold(of: page), !states[Int(page.rawValue)].requested, !deferrals.isFull else { return nil }
        let deadline = requester < node ? hold.firmUntil : hold.until
        return now < deadline ? deadline : nil
    }

    mutating func postpone(
        _ kind: Message.Kind, _ page: PageNumber, _ requester: NodeID, acks: UInt8, until deadline: Instant,
        behindRequest: Bool = false
    ) {
        if !behindRequest { statistics.holdDeferrals &+= 1 }
        states[Int(page.rawValue)].deferred = true
        deferrals.add(
            Deferral(
                page: page, kind: kind, requester: requester, acks: acks, deadline: deadline, isBehindRequest: behindRequest))
    }

    /// Answers what waits for the page, reads first, as far as its hold allows: it is over, the page that they waited for is here,
    /// or a processor of this node has come to wait for the page itself.
    mutating func answerDeferred(_ page: PageNumber, _ range: HomeRange, now: Instant, effects: inout EffectBuffer) {
        while let next = deferrals.next(of: page) {
            let losesAccess = next.kind != .forwardShared || states[Int(page.rawValue)].access == .write
            if losesAccess, let deadline = holdDeadline(page, against: next.requester, now: now) {
                statistics.holdDeferrals &+= 1
                deferrals.setDeadline(page, deadline)
                return
            }
            deferrals.remove(next)
            states[Int(page.rawValue)].deferred = deferrals.next(of: page) != nil
            answerRecall(next.kind, page, range, next.requester, acks: next.acks, now: now, effects: &effects)
            if isHome(range) { endTransaction(page, range, now: now, effects: &effects) }
        }
    }

    /// Does what the passing of time allows. To be called when `nextDeadline` has come; harmless at any time.
    public mutating func expire(now: Instant, effects: inout EffectBuffer) {
        clock = now
        holds.expire(now: now, limit: 64)
        while effects.count < Engine.effectsPerExpiry, let page = deferrals.duePage(now: now), let range = ranges[page] {
            answerDeferred(page, range, now: now, effects: &effects)
        }
        if let retryAt, !(now < retryAt) {
            self.retryAt = nil
            makeRoom(now: now, effects: &effects)
            resumeWaiting(now: now, effects: &effects)
        }
    }

    /// When `expire` should be called next, or nil when nothing waits for time. May be in the past.
    public var nextDeadline: Instant? {
        guard let earliest = deferrals.earliest else { return retryAt }
        guard let retryAt, retryAt < earliest else { return earliest }
        return retryAt
    }
}
