/// The home's side: it orders all requests for a page. Only its own requests, and others' that wait for its hold, keep a page busy;
/// anything else is sent at once to the node that has the page or will have it.
extension Engine {
    /// A request arrived from another node.
    mutating func request(
        _ message: Message, _ range: HomeRange, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        receivedRequests[Int(sender.rawValue)] &+= 1
        // A reader that was sent to another, and got nothing there, is none.
        if message.zero { directory[directoryIndex(message.page, range)].sharers.remove(sender) }
        let entry = directory[directoryIndex(message.page, range)]
        let exclusive = message.kind == .getExclusive
        let holdsAlready = entry.owner == sender || entry.sharers.contains(sender)
        guard entry.transaction != sender.rawValue, exclusive || !holdsAlready,
            !entry.isBusy || !queues.contains(sender, tail: entry.queueTail), queues.count < queueLimit
        else { throw message.violation(from: sender) }
        if entry.isBusy {
            guard enqueue(message.page, range, sender, exclusive: exclusive) else { throw message.violation(from: sender) }
        } else {
            serve(message.page, range, sender, exclusive: exclusive, mayRelay: !message.zero, now: now, effects: &effects)
        }
        if message.mask != 0 {
            let aheadExclusive = exclusive || !policy.readReplication.isOn
            try answerAhead(message, range, exclusive: aheadExclusive, from: sender, now: now, effects: &effects)
        }
    }

    @discardableResult
    mutating func enqueue(_ page: PageNumber, _ range: HomeRange, _ requester: NodeID, exclusive: Bool) -> Bool {
        let position = directoryIndex(page, range)
        var tail = directory[position].queueTail
        let added = queues.append(requester, exclusive: exclusive, tail: &tail)
        directory[position].queueTail = tail
        statistics.queueHighWater = max(statistics.queueHighWater, UInt64(queues.count))
        return added
    }

    /// Writes the entry as it will be after the request, and sends what the request needs. The entry is busy afterwards if the home
    /// itself waits for the page or holds it.
    ///
    /// - Precondition: the entry is not busy; a request slot exists if the requester is this node.
    mutating func serve(
        _ page: PageNumber, _ range: HomeRange, _ requester: NodeID, exclusive asked: Bool, mayRelay: Bool = false, now: Instant,
        effects: inout EffectBuffer
    ) {
        let index = Int(page.rawValue)
        let position = directoryIndex(page, range)
        if !states[index].touched {
            touch(page)
            if policy.zeroPageElision.isOn {
                directory[position].owner = requester
                directory[position].lastWriter = requester.rawValue
                statistics.zeroGrants &+= 1
                send(Message(.grant, page, exclusive: true, zero: true), to: requester, .none, &effects)
                return
            }
            states[index].access = .write
            effects.append(.install(page, writable: true, from: .zero))
        }
        var entry = directory[position]
        var exclusive = asked
        if !asked { policy.choice.sawRead(&entry.history) }
        if !asked, entry.sharers.isEmpty, entry.owner != requester, policy.migratory.takesExclusive(&entry.history.migration) { exclusive = true }
        if exclusive && !asked { statistics.exclusiveOnRead &+= 1 }
        if exclusive {
            serveExclusive(page, range, requester, asked: asked, entry, now: now, effects: &effects)
        } else {
            serveShared(page, range, requester, entry, mayRelay: mayRelay, now: now, effects: &effects)
        }
    }

    private mutating func serveShared(
        _ page: PageNumber, _ range: HomeRange, _ requester: NodeID, _ before: DirectoryEntry, mayRelay: Bool, now: Instant,
        effects: inout EffectBuffer
    ) {
        let position = directoryIndex(page, range)
        var entry = before
        if entry.owner != node {
            let owner = entry.owner
            if requester == node {
                entry.transaction = node.rawValue
                entry.owner = node
                entry.sharers.insert(owner)
            } else {
                entry.sharers.insert(requester)
            }
            directory[position] = entry
            send(Message(.forwardShared, page, requester: requester), to: owner, .none, &effects)
            return
        }
        if requester == node {
            directory[position] = entry
            finishOwnRequest(page, now: now)
            effects.append(.wake(page))
            return
        }
        if mayRelay, let reader = policy.relays.choose(entry.sharers, for: requester, now: now) {
            entry.sharers.insert(requester)
            directory[position] = entry
            send(Message(.forwardShared, page, requester: requester, zero: true), to: reader, .none, &effects)
            return
        }
        entry.sharers.insert(requester)
        if states[Int(page.rawValue)].access == .write, let deadline = holdDeadline(page, against: requester, now: now) {
            entry.transaction = requester.rawValue
            directory[position] = entry
            postpone(.forwardShared, page, requester, acks: 0, until: deadline)
            return
        }
        directory[position] = entry
        answerRecall(.forwardShared, page, range, requester, acks: 0, now: now, effects: &effects)
    }

    private mutating func serveExclusive(
        _ page: PageNumber, _ range: HomeRange, _ requester: NodeID, asked: Bool, _ before: DirectoryEntry, now: Instant,
        effects: inout EffectBuffer
    ) {
        let position = directoryIndex(page, range)
        var entry = before
        let owner = entry.owner
        let isUpgrade = owner == requester || entry.sharers.contains(requester)
        var others = entry.sharers
        others.remove(requester)
        if asked { noteWrite(&entry, requester, owner: owner, others: others, isUpgrade: isUpgrade) }
        entry.owner = requester
        entry.sharers = NodeSet()
        entry.lastWriter = requester.rawValue

        // The requester has the contents: all other copies are invalidated, the owner's like the rest.
        if owner == requester || (isUpgrade && policy.ownershipOnlyGrant.sparesContents(requesterHasCopy: true)) {
            if owner != requester { others.insert(owner) }
            var ownCopy = others.contains(node)
            others.remove(node)
            var acks = others.count
            if ownCopy, let deadline = holdDeadline(page, against: requester, now: now) {
                acks &+= 1
                ownCopy = false
                entry.transaction = requester.rawValue
                postpone(.invalidate, page, requester, acks: 0, until: deadline)
            }
            if requester == node, acks > 0 { entry.transaction = node.rawValue }
            directory[position] = entry
            if ownCopy { dropForWriter(page, range, now: now, &effects) }
            if requester == node {
                grantOwn(page, acks: acks, now: now, effects: &effects)
            } else {
                statistics.upgradesWithoutData &+= 1
                send(Message(.grant, page, acks: UInt8(acks), exclusive: true), to: requester, .none, &effects)
            }
            invalidate(others, page, requester, &effects)
            return
        }

        let acks = UInt8(others.count)
        if owner != node {
            if requester == node { entry.transaction = node.rawValue }
            directory[position] = entry
            send(Message(.forwardExclusive, page, requester: requester, acks: acks), to: owner, .none, &effects)
        } else if let deadline = holdDeadline(page, against: requester, now: now) {
            entry.transaction = requester.rawValue
            directory[position] = entry
            postpone(.forwardExclusive, page, requester, acks: acks, until: deadline)
        } else {
            directory[position] = entry
            answerRecall(.forwardExclusive, page, range, requester, acks: acks, now: now, effects: &effects)
        }
        invalidate(others, page, requester, &effects)
    }

    private mutating func noteWrite(
        _ entry: inout DirectoryEntry, _ requester: NodeID, owner: NodeID, others: NodeSet, isUpgrade: Bool
    ) {
        policy.choice.sawWrite(&entry.history, byReader: isUpgrade && requester != node)
        var copies = others
        if owner != requester { copies.insert(owner) }
        let lastWriter = entry.lastWriter == 0xFF ? node : NodeID(entry.lastWriter)
        policy.migratory.sawWrite(
            &entry.history.migration, isUpgrade: isUpgrade, otherCopies: copies.count, otherIsLastWriter: copies.contains(lastWriter))
    }

    private mutating func invalidate(
        _ nodes: NodeSet, _ page: PageNumber, _ requester: NodeID, _ effects: inout EffectBuffer
    ) {
        var left = nodes
        while let sharer = left.popFirst() {
            let seen = receivedRequests[Int(sharer.rawValue)]
            send(Message(.invalidate, page, requester: requester, mask: seen), to: sharer, .none, &effects)
        }
    }

    /// The home's own upgrade: `acks` sharers still have to acknowledge.
    private mutating func grantOwn(_ page: PageNumber, acks: Int, now: Instant, effects: inout EffectBuffer) {
        guard let slot = requests.slot(of: page) else { preconditionFailure("the home's own request has a slot") }
        if acks == 0 {
            states[Int(page.rawValue)].access = .write
            effects.append(.makeWritable(page))
            finishOwnRequest(page, now: now)
        } else {
            requests[slot].arrival = .granted
            requests[slot].exclusive = true
            requests[slot].acksNeeded = Int16(acks)
        }
    }

    /// The home's own request was satisfied without another node.
    private mutating func finishOwnRequest(_ page: PageNumber, now: Instant) {
        guard let slot = requests.slot(of: page) else { preconditionFailure("the home's own request has a slot") }
        let request = requests[slot]
        requests.remove(slot)
        states[Int(page.rawValue)].requested = false
        if request.demanded { startHold(page, request.processor, now: now) }
    }

    /// What kept the page busy is over: the next requests are served, until one keeps it busy again or none is left.
    mutating func endTransaction(_ page: PageNumber, _ range: HomeRange, now: Instant, effects: inout EffectBuffer) {
        let position = directoryIndex(page, range)
        directory[position].transaction = 0xFF
        while !directory[position].isBusy {
            var tail = directory[position].queueTail
            guard let next = queues.popFirst(tail: &tail) else { return }
            directory[position].queueTail = tail
            serve(page, range, next.requester, exclusive: next.exclusive, now: now, effects: &effects)
        }
    }

    /// An owner's contents come home. They count only while the directory still names that owner: else the page was
    /// forwarded to someone else, and the owner has answered or will answer that forward.
    mutating func writtenBack(
        _ message: Message, _ range: HomeRange, from sender: NodeID, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {
        let position = directoryIndex(message.page, range)
        if directory[position].owner == sender {
            // Who still waits for the page has nothing to write back.
            guard !directory[position].isBusy, states[Int(message.page.rawValue)].access == .none else {
                throw message.violation(from: sender)
            }
            directory[position].owner = node
            directory[position].sharers.insert(sender)
            states[Int(message.page.rawValue)].access = .read
            effects.append(.install(message.page, writable: false, from: .received(index: 0)))
        }
        send(Message(.writeBackAck, message.page), to: sender, .none, &effects)
    }

    /// Sharers dropped clean copies.
    mutating func replaced(_ message: Message, from sender: NodeID) throws(ProtocolViolation) {
        var left = message.mask
        while left != 0 {
            let page = message.page.advanced(by: UInt32(left.trailingZeroBitCount))
            left &= left &- 1
            guard let range = ranges[page], isHome(range), directory[directoryIndex(page, range)].owner != sender else {
                throw message.violation(from: sender)
            }
            directory[directoryIndex(page, range)].sharers.remove(sender)
        }
    }
}
