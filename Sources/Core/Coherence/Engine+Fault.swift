/// Faults of this node's own processors and devices.
extension Engine {
    /// Pages in a 2 MiB block.
    static var pagesPerBlock: Int { 512 }

    /// A processor or a device of this node waits for a page.
    ///
    /// - Parameters:
    ///   - isWrite: what the event says. A write-protect event is a write; otherwise a wrong value costs time only.
    ///   - processor: who waits, if known: any number that stays with one processor or thread (a thread id will do). It tells an instruction
    ///     that keeps losing one page while it waits for another from two processors that have nothing to do with each other.
    /// - Precondition: `page` has a home.
    public mutating func fault(
        _ page: PageNumber, isWrite: Bool, processor: UInt16 = 0, now: Instant, effects: inout EffectBuffer
    ) {
        clock = now
        let place = Int(processor) % outstandingFaults
        isSameFault = latestFault[place] == page.rawValue &+ 1
        latestFault[place] = page.rawValue &+ 1
        if !isSameFault {
            faultCounts[place] &+= 1
            contention.wanted(page, by: place, count: faultCounts[place])
        }
        guard let range = ranges[page] else { preconditionFailure("a page that faults has a home") }
        let flags = states[Int(page.rawValue)]
        if flags.access == .write || (flags.access == .read && !isWrite) {
            statistics.repeatedFaults &+= 1
            effects.append(.wake(page))
            return
        }
        if flags.requested {
            statistics.repeatedFaults &+= 1
            demandRequested(page, range, isWrite: isWrite, processor, now: now, &effects)
            return
        }
        if flags.access == .read {
            statistics.upgradeFaults &+= 1
        } else if isWrite {
            statistics.writeFaults &+= 1
        } else {
            statistics.readFaults &+= 1
        }
        let exclusive = policy.readReplication.takesExclusive(isWrite: isWrite)
        if isHome(range) {
            faultAtHome(page, range, exclusive: exclusive, processor, now: now, effects: &effects)
        } else {
            faultOnRemote(page, range, exclusive: exclusive, processor, now: now, effects: &effects)
        }
    }

    /// At start, the home has filled a page of its own by other means (a kernel it loaded): mapped, writable.
    ///
    /// - Precondition: this node is the page's home, and nobody has touched the page yet.
    public mutating func claim(_ page: PageNumber) {
        guard let range = ranges[page], isHome(range), !states[Int(page.rawValue)].touched else {
            preconditionFailure("only the home claims a page, before anybody touches it")
        }
        touch(page)
        states[Int(page.rawValue)].access = .write
    }

    private mutating func faultAtHome(
        _ page: PageNumber, _ range: HomeRange, exclusive: Bool, _ processor: UInt16, now: Instant,
        effects: inout EffectBuffer
    ) {
        let index = Int(page.rawValue)
        let entry = directory[directoryIndex(page, range)]
        if !entry.isBusy {
            if !states[index].touched {
                firstTouch(page, range, processor, now: now, effects: &effects)
                return
            }
            if entry.owner == node, entry.sharers.isEmpty {
                states[index].access = .write
                effects.append(.makeWritable(page))
                startHold(page, processor, now: now)
                return
            }
        }
        statistics.remoteFaults &+= 1
        hot.count(page)
        _ = requests.add(page, exclusive ? .exclusive : .shared, demanded: true, processor: processor)
        states[index].requested = true
        if entry.isBusy {
            enqueue(page, range, node, exclusive: exclusive)
            if states[index].deferred { answerDeferred(page, range, now: now, effects: &effects) }
        } else {
            serve(page, range, node, exclusive: exclusive, now: now, effects: &effects)
        }
        if policy.forwarded.isOn { _ = pagesAhead(of: page, range, processor, exclusive: exclusive, isExpected: false, now: now, &effects) }
    }

    private mutating func faultOnRemote(
        _ page: PageNumber, _ range: HomeRange, exclusive: Bool, _ processor: UInt16, now: Instant,
        effects: inout EffectBuffer
    ) {
        statistics.remoteFaults &+= 1
        hot.count(page)
        let index = Int(page.rawValue)
        let slot = requests.add(page, exclusive ? .exclusive : .shared, demanded: true, processor: processor)
        if policy.refaults.returned(page) { statistics.refaults &+= 1 }
        var flags = states[index]
        flags.requested = true
        if flags.leaving {
            flags.leaving = false
            leaving &-= 1
        }
        states[index] = flags
        if flags.access == .none {
            guard cache.count &+ fills < cacheCapacity else {
                requests[slot].unsent = true
                waiting.append(slot)
                if retryAt == nil { retryAt = now.advanced(byNanoseconds: minimumHold) }
                return
            }
            requests[slot].fills = true
            fills &+= 1
        }
        let ahead = pagesAhead(of: page, range, processor, exclusive: exclusive, isExpected: false, now: now, &effects)
        sendRequest(page, range, exclusive: exclusive, ahead: policy.aggregation.isOn ? ahead : Ahead(), &effects)
        if policy.aggregation.isOn {
            statistics.messagesAggregated &+= UInt64(ahead.mask.nonzeroBitCount)
        } else {
            askSingly(page, range, ahead, exclusive: exclusive, &effects)
        }
        if flags.deferred { answerDeferred(page, range, now: now, effects: &effects) }
    }

    /// Sends what a processor waits for, with the pages of `ahead` wanted beside it. `again`: a reader was to answer and could not.
    mutating func sendRequest(
        _ page: PageNumber, _ range: HomeRange, exclusive: Bool, ahead: Ahead = Ahead(), again: Bool = false, _ effects: inout EffectBuffer
    ) {
        if ahead.mask != 0 { asks.add(ahead.ask(page)) }
        let home = Int(range.home.rawValue)
        sentRequests[home] &+= 1
        if let slot = requests.slot(of: page) { requests[slot].sequence = sentRequests[home] }
        send(Message(exclusive ? .getExclusive : .getShared, page, zero: again, mask: ahead.mask), to: range.home, .none, &effects)
    }

    /// A processor waits for a page that is on its way already; if nobody had come to it, its stream goes on.
    private mutating func demandRequested(
        _ page: PageNumber, _ range: HomeRange, isWrite: Bool, _ processor: UInt16, now: Instant, _ effects: inout EffectBuffer
    ) {
        guard let slot = requests.slot(of: page), !requests[slot].demanded else { return }
        statistics.remoteFaults &+= 1
        hot.count(page)
        requests.demand(slot, processor: processor)
        askAhead(page, range, processor, exclusive: isWrite || !policy.readReplication.isOn, now: now, &effects)
    }

    /// A processor has come to a page that its stream expected: what is to come behind it is asked for.
    private mutating func askAhead(
        _ page: PageNumber, _ range: HomeRange, _ processor: UInt16, exclusive: Bool, now: Instant, _ effects: inout EffectBuffer
    ) {
        let ahead = pagesAhead(of: page, range, processor, exclusive: exclusive, isExpected: true, now: now, &effects)
        guard policy.aggregation.isOn else { return askSingly(page, range, ahead, exclusive: exclusive, &effects) }
        guard ahead.mask != 0 else { return }
        asks.add(ahead.ask(page))
        statistics.messagesAggregated &+= UInt64(ahead.mask.nonzeroBitCount &- 1)
        send(Message(.prefetch, page, exclusive: exclusive, mask: ahead.mask), to: range.home, .none, &effects)
    }

    /// The first touch of a page at its home: zeros for the whole 2 MiB block when nobody has touched any of it.
    private mutating func firstTouch(
        _ page: PageNumber, _ range: HomeRange, _ processor: UInt16, now: Instant, effects: inout EffectBuffer
    ) {
        let block = Int(page.rawValue) / Engine.pagesPerBlock
        if touchedInBlock[block] == 0 {
            let first = max(UInt32(block * Engine.pagesPerBlock), range.first)
            let end = min(UInt32((block + 1) * Engine.pagesPerBlock), range.end)
            for number in first..<end {
                var flags = states[Int(number)]
                flags.touched = true
                flags.access = .write
                states[Int(number)] = flags
            }
            touchedInBlock[block] = UInt16(end - first)
            statistics.rangesFilled &+= 1
            effects.append(.zeroFill(first: PageNumber(first), count: end - first))
        } else {
            touch(page)
            states[Int(page.rawValue)].access = .write
            effects.append(.install(page, writable: true, from: .zero))
        }
        startHold(page, processor, now: now)
    }

    /// Notes that a page of this home is no longer untouched.
    mutating func touch(_ page: PageNumber) {
        states[Int(page.rawValue)].touched = true
        touchedInBlock[Int(page.rawValue) / Engine.pagesPerBlock] &+= 1
    }
}
