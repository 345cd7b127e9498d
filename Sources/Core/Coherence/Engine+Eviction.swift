/// The bounded cache of other homes' pages.
extension Engine {
    /// Pages put out at once: a batch makes the driver's work cheaper and leaves room for pages fetched in advance.
    var evictionBatch: Int { max(1, min(32, cacheLimit / 8)) }

    /// The fill above which pages are put out.
    var highWater: Int { cacheLimit &- min(64, cacheLimit / 8) }

    /// Puts out a batch of pages when the cache is nearly full.
    mutating func makeRoom(now: Instant, effects: inout EffectBuffer) {
        guard cache.count &+ fills &- leaving > highWater else { return }
        var wanted = evictionBatch
        var looks = min(cache.count, 8 * evictionBatch)
        var passes = policy.cleanFirst.passes(wanted: wanted)
        var hint = Message(.replacementHint, PageNumber(0))
        var hintHome = node
        while wanted > 0, looks > 0, let page = cache.rotate() {
            looks &-= 1
            guard let range = ranges[page], canEvict(page, now: now) else { continue }
            if passes > 0, states[Int(page.rawValue)].owned {
                passes &-= 1
                statistics.dirtyPagesPassed &+= 1
                continue
            }
            if policy.refaults.spares(page) {
                statistics.refaultsSpared &+= 1
                continue
            }
            policy.refaults.evicted(page)
            wanted &-= 1
            statistics.evictions &+= 1
            if states[Int(page.rawValue)].owned {
                writeBack(page, range, &effects)
                continue
            }
            drop(page, range, &effects)
            let distance = Int64(page.rawValue) &- Int64(hint.page.rawValue)
            if policy.aggregation.isOn, hint.mask != 0, hintHome == range.home, (0..<64).contains(distance) {
                hint.mask |= 1 << UInt64(distance)
                statistics.messagesAggregated &+= 1
            } else {
                if hint.mask != 0 { send(hint, to: hintHome, .none, &effects) }
                hint = Message(.replacementHint, page, mask: 1)
                hintHome = range.home
            }
        }
        if hint.mask != 0 { send(hint, to: hintHome, .none, &effects) }
    }

    /// Whether nothing is going on with a held page of another home and its hold is over.
    func canEvict(_ page: PageNumber, now: Instant) -> Bool {
        let flags = states[Int(page.rawValue)]
        guard flags.access != .none, !flags.requested, !flags.writingBack, !flags.deferred else { return false }
        guard let hold = holds.hold(of: page) else { return true }
        return !(now < hold.until)
    }

    /// Sends an owned page home. The copy stays readable here and answers forwards until the home acknowledges.
    mutating func writeBack(_ page: PageNumber, _ range: HomeRange, _ effects: inout EffectBuffer) {
        var flags = states[Int(page.rawValue)]
        if flags.access == .write { effects.append(.protect(page)) }
        flags.access = .read
        flags.owned = false
        flags.writingBack = true
        flags.leaving = true
        states[Int(page.rawValue)] = flags
        leaving &+= 1
        statistics.writeBacks &+= 1
        send(Message(.writeBack, page), to: range.home, .page(page), &effects)
    }

    /// The home has the page: it is dropped, unless it was lost or asked for again meanwhile.
    mutating func writeBackAcknowledged(
        _ message: Message, _ range: HomeRange, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        let page = message.page
        guard sender == range.home, states[Int(page.rawValue)].writingBack else { throw message.violation(from: sender) }
        states[Int(page.rawValue)].writingBack = false
        guard states[Int(page.rawValue)].leaving else { return }
        drop(page, range, &effects)
        send(Message(.replacementHint, page, mask: 1), to: range.home, .none, &effects)
        resumeWaiting(now: now, effects: &effects)
    }

    /// Sends requests that waited for room in the cache.
    mutating func resumeWaiting(now: Instant, effects: inout EffectBuffer) {
        while waiting.count > 0, cache.count &+ fills < cacheCapacity, effects.count < Engine.effectsPerExpiry,
            let slot = waiting.popFirst()
        {
            let page = requests[slot].page
            guard let range = ranges[page] else { continue }
            requests[slot].unsent = false
            requests[slot].fills = true
            fills &+= 1
            sendRequest(page, range, exclusive: requests[slot].kind == .exclusive, &effects)
        }
        retryAt = waiting.count > 0 ? now.advanced(byNanoseconds: max(minimumHold, 1)) : nil
    }
}
