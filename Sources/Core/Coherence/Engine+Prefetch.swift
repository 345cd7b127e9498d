/// What to ask a home for beside a page, with how to take the answer.
struct Ahead {
    /// Bit i is `page + i`.
    var mask: UInt64 = 0
    var insists = false

    func ask(_ page: PageNumber) -> PrefetchAsks.Ask { PrefetchAsks.Ask(page: page, mask: mask, insists: insists) }
}

/// Pages asked for in advance. To a prefetch the home answers at once from its own memory, or refuses: nothing ever waits for one. What
/// it cannot bring, a sure stream asks for by requests like any other. A page that came in advance has no hold.
extension Engine {
    /// Asks the policies what to fetch behind `page`. Sends requests for what no prefetch brings, and opens a slot for each page that
    /// one may bring: the caller sends that.
    mutating func pagesAhead(
        of page: PageNumber, _ range: HomeRange, _ processor: UInt16, exclusive: Bool, isExpected: Bool, now: Instant,
        _ effects: inout EffectBuffer
    ) -> Ahead {
        // A page that is only lost and fetched again is no stream.
        if isSameFault, !isExpected { return Ahead() }
        var advice = policy.contiguous.advise(page, processor, isExpected: isExpected) ?? ContiguousPrefetch.Advice()
        // A stream that has proved useful goes on: its windows are no distances.
        if advice.used == 0, !isHome(range), let pattern = policy.stride.advise(page) {
            advice = ContiguousPrefetch.Advice(ahead: pattern.ahead, used: pattern.used)
            statistics.stridesFollowed &+= pattern.ahead == 0 ? 0 : 1
        }
        if advice.ahead == 0, !isHome(range) {
            advice.ahead = policy.minimumDelta.advise(page, processor)
            // A page that was lost comes back for its own reasons.
            if advice.ahead != 0, contention.knows(page) { return Ahead() }
            statistics.stridesFollowed &+= advice.ahead == 0 ? 0 : 1
        }
        guard advice.ahead != 0 else { return Ahead() }
        statistics.prefetchesUsed = min(statistics.prefetchesUsed &+ UInt64(advice.used), statistics.prefetchesArrived)
        if advice.isSure { requestAhead(page, range, wanted: advice.ahead, exclusive: exclusive, now: now, &effects) }
        let mask = openPrefetches(page, range, wanted: advice.ahead)
        return Ahead(mask: mask, insists: advice.isSure && policy.forwarded.isOn && !exclusive)
    }

    /// Requests for the pages of `wanted` of which this node has a read copy and a stream of writes comes, or which are at home
    /// here and elsewhere now.
    private mutating func requestAhead(
        _ page: PageNumber, _ range: HomeRange, wanted: UInt64, exclusive: Bool, now: Instant, _ effects: inout EffectBuffer
    ) {
        guard isHome(range) ? policy.forwarded.isOn : exclusive && policy.ownershipAhead.isOn else { return }
        var left = wanted
        while left != 0, effects.count < Engine.effectsPerExpiry {
            let number = UInt64(page.rawValue) &+ UInt64(left.trailingZeroBitCount)
            left &= left &- 1
            guard number < UInt64(range.end) else { return }
            let next = PageNumber(UInt32(number))
            if isHome(range) || states[Int(number)].access == .read {
                _ = request(next, range, exclusive: exclusive, now: now, effects: &effects)
            }
        }
    }

    /// Asks for a page that nobody waits for yet; false when it is here, on its way, or there is no room.
    mutating func request(
        _ page: PageNumber, _ range: HomeRange, exclusive: Bool, now: Instant, effects: inout EffectBuffer
    ) -> Bool {
        let index = Int(page.rawValue)
        let flags = states[index]
        guard !flags.requested, !flags.deferred, !flags.leaving, requests.prefetches < prefetchSlots,
            flags.access == .none || (flags.access == .read && exclusive)
        else { return false }
        let isOwn = isHome(range)
        if isOwn {
            let entry = directory[directoryIndex(page, range)]
            guard flags.touched, entry.owner != node || (exclusive && !entry.sharers.isEmpty) else { return false }
        } else if flags.access == .none {
            guard cache.count &+ fills < cacheLimit else { return false }
            fills &+= 1
        }
        let slot = requests.add(page, exclusive ? .exclusive : .shared, demanded: false)
        requests[slot].fills = !isOwn && flags.access == .none
        states[index].requested = true
        statistics.requestsAhead &+= 1
        if !isOwn {
            sendRequest(page, range, exclusive: exclusive, &effects)
        } else if directory[directoryIndex(page, range)].isBusy {
            enqueue(page, range, node, exclusive: exclusive)
        } else {
            serve(page, range, node, exclusive: exclusive, now: now, effects: &effects)
        }
        return true
    }

    /// Opens request slots for those pages of `wanted` (bit i is `page + i`) that are not here and not on their way.
    mutating func openPrefetches(_ page: PageNumber, _ range: HomeRange, wanted: UInt64) -> UInt64 {
        guard wanted != 0, !isHome(range) else { return 0 }
        var room = min(prefetchSlots &- requests.prefetches, cacheLimit &- cache.count &- fills)
        room = min(room, prefetchSlots &- asks.count)
        var mask: UInt64 = 0
        var left = wanted
        while left != 0, room > 0 {
            let bit = left & (0 &- left)
            let number = UInt64(page.rawValue) &+ UInt64(left.trailingZeroBitCount)
            left &= left &- 1
            guard number < UInt64(range.end) else { break }
            let flags = states[Int(number)]
            if flags.access == .none, !flags.requested {
                let slot = requests.add(PageNumber(UInt32(number)), .prefetch, demanded: false)
                requests[slot].fills = true
                fills &+= 1
                states[Int(number)].requested = true
                mask |= bit
                room &-= 1
            }
        }
        statistics.prefetchesIssued &+= UInt64(mask.nonzeroBitCount)
        return mask
    }

    /// One message for each page of `mask`: what aggregation saves.
    mutating func askSingly(
        _ page: PageNumber, _ range: HomeRange, _ ahead: Ahead, exclusive: Bool, _ effects: inout EffectBuffer
    ) {
        var left = ahead.mask
        var single = ahead
        single.mask = 1
        while left != 0 {
            let wanted = page.advanced(by: UInt32(left.trailingZeroBitCount))
            left &= left &- 1
            asks.add(single.ask(wanted))
            send(Message(.prefetch, wanted, exclusive: exclusive, mask: 1), to: range.home, .none, &effects)
        }
    }

    /// At the home: grants what can be granted this instant, refuses the rest.
    mutating func answerAhead(
        _ message: Message, _ range: HomeRange, exclusive: Bool, from sender: NodeID, now: Instant,
        effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        var data: UInt64 = 0
        var zeros: UInt64 = 0
        var left = message.mask
        while left != 0 {
            let bit = left.trailingZeroBitCount
            left &= left &- 1
            let page = message.page.advanced(by: UInt32(bit))
            guard page.rawValue < range.end else { throw message.violation(from: sender) }
            let index = Int(page.rawValue)
            let position = directoryIndex(page, range)
            let entry = directory[position]
            guard !entry.isBusy, entry.owner == node, !entry.sharers.contains(sender) else { continue }
            if !states[index].touched {
                guard policy.zeroPageElision.isOn else { continue }
                touch(page)
                directory[position].owner = sender
                directory[position].lastWriter = sender.rawValue
                statistics.zeroGrants &+= 1
                zeros |= 1 << UInt64(bit)
                continue
            }
            guard data.nonzeroBitCount < Message.maximumPages, !policy.migratory.isMigratory(entry.history.migration),
                policy.choice.mayGiveInAdvance(entry.history),
                states[index].access == .read || holdDeadline(page, against: sender, now: now) == nil,
                !exclusive || (entry.sharers.isEmpty && holdDeadline(page, against: sender, now: now) == nil)
            else { continue }
            if states[index].access == .write {
                effects.append(.protect(page))
                states[index].access = .read
            }
            policy.choice.gaveInAdvance(&directory[position].history)
            if exclusive {
                directory[position].owner = sender
                directory[position].lastWriter = sender.rawValue
            } else {
                directory[position].sharers.insert(sender)
            }
            data |= 1 << UInt64(bit)
        }
        let reply = Message(.prefetchReply, message.page, exclusive: exclusive, mask: data, zeroMask: zeros)
        send(reply, to: sender, data == 0 ? .none : .pages(first: message.page, mask: data), &effects)
        guard exclusive else { return }
        while data != 0 {
            dropForWriter(message.page.advanced(by: UInt32(data.trailingZeroBitCount)), range, now: now, &effects)
            data &= data &- 1
        }
    }

    /// At the requester: installs what came and closes the slots of what was refused; a processor that has
    /// come to wait for a refused page asks again in its own right.
    mutating func prefetched(
        _ message: Message, _ range: HomeRange, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        guard let ask = asks.take(message.page), (message.mask | message.zeroMask) & ~ask.mask == 0 else {
            throw message.violation(from: sender)
        }
        var left = ask.mask
        var received = 0
        while left != 0 {
            let bit = left & (0 &- left)
            let page = message.page.advanced(by: UInt32(left.trailingZeroBitCount))
            left &= left &- 1
            guard let slot = requests.slot(of: page), requests[slot].kind == .prefetch else {
                throw message.violation(from: sender)
            }
            if message.mask & bit != 0 {
                requests[slot].exclusive = message.exclusive
                statistics.prefetchesArrived &+= 1
                complete(slot, page, range, from: .received(index: received), now: now, effects: &effects)
                received &+= 1
            } else if message.zeroMask & bit != 0 {
                requests[slot].exclusive = true
                statistics.prefetchesArrived &+= 1
                complete(slot, page, range, from: .zero, now: now, effects: &effects)
            } else {
                refused(slot, page, range, exclusive: message.exclusive, insists: ask.insists, &effects)
            }
        }
        makeRoom(now: now, effects: &effects)
        resumeWaiting(now: now, effects: &effects)
    }

    private mutating func refused(
        _ slot: Int, _ page: PageNumber, _ range: HomeRange, exclusive: Bool, insists: Bool, _ effects: inout EffectBuffer
    ) {
        statistics.prefetchesRefused &+= 1
        if requests[slot].demanded {
            requests[slot].kind = policy.readReplication.isOn ? .shared : .exclusive
            sendRequest(page, range, exclusive: !policy.readReplication.isOn, &effects)
        } else if insists {
            statistics.requestsAhead &+= 1
            requests[slot].kind = exclusive ? .exclusive : .shared
            sendRequest(page, range, exclusive: exclusive, &effects)
        } else {
            policy.contiguous.refused(page)
            requests.remove(slot)
            fills &-= 1
            states[Int(page.rawValue)].requested = false
        }
    }
}
