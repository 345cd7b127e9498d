/// What a model checker needs: copies of an engine, its state as bytes, and the choices that policies make, so that an
/// adversary can make them instead.
extension Engine {
    /// An independent engine in the same state.
    package borrowing func copy() -> Engine { Engine(copying: self) }

    private init(copying other: borrowing Engine) {
        node = other.node
        nodeCount = other.nodeCount
        totalPages = other.totalPages
        cacheLimit = other.cacheLimit
        cacheCapacity = other.cacheCapacity
        minimumHold = other.minimumHold
        maximumHold = other.maximumHold
        outstandingFaults = other.outstandingFaults
        prefetchSlots = other.prefetchSlots
        policyContext = other.policyContext
        policy = other.policy.copy()
        ranges = other.ranges.copy()
        states = other.states.copy()
        directory = other.directory.copy()
        touchedInBlock = other.touchedInBlock.copy()
        requests = other.requests.copy()
        queues = other.queues.copy()
        queueLimit = other.queueLimit
        holds = other.holds.copy()
        deferrals = other.deferrals.copy()
        cache = other.cache.copy()
        asks = other.asks.copy()
        waiting = other.waiting.copy()
        latestFault = other.latestFault.copy()
        faultCounts = other.faultCounts.copy()
        sentRequests = other.sentRequests.copy()
        receivedRequests = other.receivedRequests.copy()
        contention = other.contention.copy()
        hot = other.hot.copy()
        fills = other.fills
        leaving = other.leaving
        retryAt = other.retryAt
        statistics = other.statistics
    }

    /// Appends everything that decides what this engine does next, apart from counters, policies' histories and the order
    /// in which the cache would evict, which the adversary replaces. Equal bytes mean equal behaviour.
    package func snapshot(into bytes: inout [UInt8]) {
        for index in 0..<states.count {
            let page = PageNumber(UInt32(index))
            bytes.append(states[index].bits)
            if let range = ranges[page], isHome(range) { snapshotEntry(directoryIndex(page, range), into: &bytes) }
            if let slot = requests.slot(of: page) {
                let request = requests[slot]
                let exclusive: UInt8 = request.exclusive ? 4 : 0
                let demanded: UInt8 = request.demanded ? 16 : 0
                bytes.append(request.kind.rawValue | exclusive | demanded | request.arrival.rawValue << 5)
                bytes.append(UInt8(truncatingIfNeeded: request.acksNeeded))
                bytes.append(UInt8(truncatingIfNeeded: request.acksReceived))
            }
            bytes.append(holds.hold(of: page) == nil ? 0 : 1)
        }
        for position in 0..<asks.count {
            bytes.append(UInt8(truncatingIfNeeded: asks[position].page.rawValue))
            bytes.append(UInt8(truncatingIfNeeded: asks[position].mask))
            bytes.append(asks[position].insists ? 1 : 0)
        }
        bytes.append(0xFE)
        var order = (0..<deferrals.count).map { deferrals[$0] }
        order.sort { ($0.page, $0.kind.rawValue, $0.requester.rawValue) < ($1.page, $1.kind.rawValue, $1.requester.rawValue) }
        for deferral in order {
            bytes.append(contentsOf: [
                UInt8(truncatingIfNeeded: deferral.page.rawValue), deferral.kind.rawValue, deferral.requester.rawValue,
                deferral.acks | (deferral.isBehindRequest ? 0x80 : 0),
            ])
        }
        bytes.append(0xFF)
    }

    private func snapshotEntry(_ position: Int, into bytes: inout [UInt8]) {
        let entry = directory[position]
        bytes.append(contentsOf: [UInt8(truncatingIfNeeded: entry.sharers.rawValue), entry.owner.rawValue, entry.transaction])
        for request in queues.contents(tail: entry.queueTail) {
            bytes.append(request.requester.rawValue | (request.exclusive ? 0x80 : 0))
        }
        bytes.append(0xFD)
    }

    /// Puts a page out, as the cache would when it is full; false when it may not be put out now.
    package mutating func evict(_ page: PageNumber, now: Instant, effects: inout EffectBuffer) -> Bool {
        guard let range = ranges[page], !isHome(range), canEvict(page, now: now) else { return false }
        if states[Int(page.rawValue)].owned {
            writeBack(page, range, &effects)
        } else {
            drop(page, range, &effects)
            send(Message(.replacementHint, page, mask: 1), to: range.home, .none, &effects)
        }
        return true
    }

    /// Asks for a page in advance, as a policy may at any time; false when it is here or on its way.
    package mutating func fetchInAdvance(
        _ page: PageNumber, exclusive: Bool, insists: Bool, effects: inout EffectBuffer
    ) -> Bool {
        guard let range = ranges[page], !isHome(range), page.rawValue > 0 else { return false }
        let before = PageNumber(page.rawValue - 1)
        let mask = openPrefetches(before, range, wanted: 0b10)
        guard mask != 0 else { return false }
        askSingly(before, range, Ahead(mask: mask, insists: insists), exclusive: exclusive, &effects)
        return true
    }

    /// Requests a page that nobody waits for, as a policy may at any time; false when it is here or on its way.
    package mutating func requestInAdvance(_ page: PageNumber, exclusive: Bool, now: Instant, effects: inout EffectBuffer) -> Bool {
        guard let range = ranges[page] else { return false }
        return request(page, range, exclusive: exclusive, now: now, effects: &effects)
    }

    /// Makes the next read of the page at its home be answered with the only copy, or not.
    package mutating func adviseMigratory(_ page: PageNumber, _ value: Bool) {
        guard let range = ranges[page], isHome(range) else { return }
        directory[directoryIndex(page, range)].history.migration = value ? MigratoryDetection.evidence + 1 : 0
        directory[directoryIndex(page, range)].lastWriter = 0xFF
    }

    /// Makes this home answer reads by other readers, or not; nil leaves it to the policy.
    package mutating func adviseRelay(_ value: Bool?) { policy.relays.isForced = value }

    /// Whether a page is being fetched in advance and no processor waits for it.
    package func isPrefetching(_ page: PageNumber) -> Bool {
        guard let slot = requests.slot(of: page) else { return false }
        return !requests[slot].demanded
    }

    /// Whether an invalidation of `page` is for the copy on its way here; the counters themselves only grow.
    package func isForCopyOnItsWay(_ message: Message) -> Bool {
        guard let slot = requests.slot(of: message.page) else { return false }
        return message.mask >= requests[slot].sequence
    }

    /// Holds that are not over, and other nodes' requests that wait for them.
    package var holdCount: Int { holds.count }
    package var deferralCount: Int { deferrals.count }
    package var waitingAtHome: Int { queues.count }

    /// The directory's word on a page, at its home: who owns it and who else has a copy; nil when untouched.
    package func directoryView(_ page: PageNumber) -> (owner: NodeID, sharers: NodeSet, isBusy: Bool)? {
        guard let range = ranges[page], isHome(range), states[Int(page.rawValue)].touched else { return nil }
        let entry = directory[directoryIndex(page, range)]
        return (entry.owner, entry.sharers, entry.isBusy)
    }
}
