/// The requester's side: answers to this node's own requests.
extension Engine {
    /// The contents of a page this node asked for.
    mutating func arrived(
        _ message: Message, _ range: HomeRange, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        let page = message.page
        guard let slot = requests.slot(of: page), requests[slot].kind != .prefetch, requests[slot].arrival == .nothing,
            !requests[slot].unsent, message.exclusive || requests[slot].kind == .shared, isServed(page, range),
            requests[slot].acksReceived <= Int16(message.acks)
        else { throw message.violation(from: sender) }
        var request = requests[slot]
        request.exclusive = message.exclusive
        request.acksNeeded = Int16(message.acks)
        let isComplete = request.acksReceived == request.acksNeeded
        request.arrival = isComplete ? .nothing : message.zero ? .granted : .parked
        requests[slot] = request
        if isComplete {
            complete(slot, page, range, from: message.zero ? .zero : .received(index: 0), now: now, effects: &effects)
            afterArrival(range, now: now, effects: &effects)
        } else if !message.zero {
            effects.append(.park(slot: slot, index: 0))
        }
    }

    /// A reader that was to send the page has no copy: the home is asked again. If it has taken this node's copy away meanwhile, there is none.
    mutating func refused(
        _ message: Message, _ range: HomeRange, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        let page = message.page
        guard let slot = requests.slot(of: page), requests[slot].kind == .shared, requests[slot].arrival == .nothing,
            !requests[slot].unsent, !isHome(range)
        else { throw message.violation(from: sender) }
        if let waits = deferrals.next(of: page) {
            guard waits.kind == .invalidate else { throw message.violation(from: sender) }
            deferrals.remove(waits)
            states[Int(page.rawValue)].deferred = false
            send(Message(.invalidateAck, page), to: waits.requester, .none, &effects)
        }
        sendRequest(page, range, exclusive: false, again: true, &effects)
    }

    /// The home grants a page without contents.
    mutating func granted(
        _ message: Message, _ range: HomeRange, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        let page = message.page
        guard sender == range.home, let slot = requests.slot(of: page), requests[slot].kind != .prefetch,
            requests[slot].arrival == .nothing, !requests[slot].unsent, requests[slot].acksReceived <= Int16(message.acks),
            message.zero == (states[Int(page.rawValue)].access == .none)
        else { throw message.violation(from: sender) }
        requests[slot].exclusive = true
        requests[slot].arrival = .granted
        requests[slot].acksNeeded = Int16(message.acks)
        if requests[slot].acksReceived == requests[slot].acksNeeded {
            complete(slot, page, range, from: .zero, now: now, effects: &effects)
            afterArrival(range, now: now, effects: &effects)
        }
    }

    /// A sharer's copy is gone.
    mutating func acknowledged(
        _ message: Message, _ range: HomeRange, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        guard let slot = requests.slot(of: message.page), requests[slot].kind == .exclusive, !requests[slot].unsent,
            Int(requests[slot].acksReceived) < nodeCount, isServed(message.page, range),
            requests[slot].acksNeeded < 0 || requests[slot].acksReceived < requests[slot].acksNeeded
        else { throw message.violation(from: sender) }
        requests[slot].acksReceived &+= 1
        let request = requests[slot]
        guard request.arrival != .nothing, request.acksReceived == request.acksNeeded else { return }
        complete(
            slot, message.page, range, from: request.arrival == .parked ? .parked(slot: slot) : .zero, now: now,
            effects: &effects)
        afterArrival(range, now: now, effects: &effects)
    }

    /// Whether an answer to this node's request for `page` can come: at the page's home not before its turn in the queue.
    private func isServed(_ page: PageNumber, _ range: HomeRange) -> Bool {
        !isHome(range) || directory[directoryIndex(page, range)].transaction == node.rawValue
    }

    /// Contents and acknowledgements are in: the page is this node's. `source` is not looked at when it has a copy already.
    mutating func complete(
        _ slot: Int, _ page: PageNumber, _ range: HomeRange, from source: Effect.Source, now: Instant,
        effects: inout EffectBuffer
    ) {
        let request = requests[slot]
        var flags = states[Int(page.rawValue)]
        if flags.access == .none {
            effects.append(.install(page, writable: request.exclusive, from: source))
            if request.fills {
                fills &-= 1
                cache.insert(page)
            }
        } else {
            effects.append(request.exclusive ? .makeWritable(page) : .wake(page))
        }
        flags.access = request.exclusive ? .write : .read
        flags.requested = false
        if request.exclusive, !isHome(range) { flags.owned = true }
        states[Int(page.rawValue)] = flags
        requests.remove(slot)
        if request.demanded { startHold(page, request.processor, now: now) }
        if isHome(range) {
            endTransaction(page, range, now: now, effects: &effects)
        } else if flags.deferred {
            answerDeferred(page, range, now: now, effects: &effects)
        }
    }

    private mutating func afterArrival(_ range: HomeRange, now: Instant, effects: inout EffectBuffer) {
        guard !isHome(range) else { return }
        makeRoom(now: now, effects: &effects)
    }
}
