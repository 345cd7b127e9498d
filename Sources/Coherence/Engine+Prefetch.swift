/// Pages asked for in advance. The home answers at once from its own memory or refuses; nothing ever waits for a prefetch,
/// a prefetch waits for nothing, and a page that came by one has no hold. A stream of writes asks for the only copies, which
/// the home gives of pages that nobody shares.
extension Engine {
    /// Asks the policies what to fetch behind `page` and opens a request slot for each of those pages that can be asked for.
    /// Returns them as a mask relative to `page`.
    mutating func pagesAhead(of page: PageNumber, _ range: HomeRange) -> UInt64 {
        var advice = contiguous.advise(page)
        // A stream that has proved useful goes on: its windows are no distances.
        if advice.used == 0, let pattern = stride.advise(page) {
            advice = pattern
            statistics.stridesFollowed &+= pattern.ahead == 0 ? 0 : 1
        }
        statistics.prefetchesUsed = min(statistics.prefetchesUsed &+ UInt64(advice.used), statistics.prefetchesArrived)
        return openPrefetches(page, range, wanted: advice.ahead)
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
        _ page: PageNumber, _ range: HomeRange, _ mask: UInt64, exclusive: Bool, _ effects: inout EffectBuffer
    ) {
        var left = mask
        while left != 0 {
            let wanted = page.advanced(by: UInt32(left.trailingZeroBitCount))
            left &= left &- 1
            asks.add(wanted, mask: 1)
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
                guard zeroPageElision.isOn else { continue }
                touch(page)
                directory[position].owner = sender
                directory[position].lastWriter = sender.rawValue
                statistics.zeroGrants &+= 1
                zeros |= 1 << UInt64(bit)
                continue
            }
            guard data.nonzeroBitCount < Message.maximumPages, !migratory.isMigratory(entry.history),
                states[index].access == .read || holdDeadline(page, against: sender, now: now) == nil,
                !exclusive || (entry.sharers.isEmpty && holdDeadline(page, against: sender, now: now) == nil)
            else { continue }
            if states[index].access == .write {
                effects.append(.protect(page))
                states[index].access = .read
            }
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
            release(message.page.advanced(by: UInt32(data.trailingZeroBitCount)), range, now: now, &effects)
            data &= data &- 1
        }
    }

    /// At the requester: installs what came and closes the slots of what was refused; a processor that has come to wait for
    /// a refused page asks again in its own right.
    mutating func prefetched(
        _ message: Message, _ range: HomeRange, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        guard let asked = asks.take(message.page), (message.mask | message.zeroMask) & ~asked == 0 else {
            throw message.violation(from: sender)
        }
        var left = asked
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
            } else if requests[slot].demanded {
                statistics.prefetchesRefused &+= 1
                requests[slot].kind = readReplication.isOn ? .shared : .exclusive
                sendRequest(page, range, exclusive: !readReplication.isOn, ahead: 0, &effects)
            } else {
                statistics.prefetchesRefused &+= 1
                requests.remove(slot)
                fills &-= 1
                states[Int(page.rawValue)].requested = false
            }
        }
        makeRoom(now: now, effects: &effects)
        resumeWaiting(now: now, effects: &effects)
    }
}
