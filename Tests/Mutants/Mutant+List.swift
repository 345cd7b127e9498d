extension Mutant {
    /// Every one breaks a promise; what only costs time is no mutant.
    public static let all: [Mutant] = requester + holder + home

    private static let requester = [
        Mutant(
            "refused-keeps-invalidation", in: "Engine+Requester.swift",
            "            deferrals.remove(waits)\n            states[Int(page.rawValue)].deferred = false\n            send(Message(.invalidateAck, page), to: waits.requester, .none, &effects)\n",
            "", breaks: "a writer and a refused reader wait for each other"),
        Mutant(
            "asks-again-with-old-number", in: "Engine+Fault.swift",
            "if let slot = requests.slot(of: page) { requests[slot].sequence", "if !again, let slot = requests.slot(of: page) { requests[slot].sequence",
            breaks: "an invalidation of a copy that never came is waited with"),
        Mutant(
            "ack-not-counted", in: "Engine+Requester.swift", "requests[slot].acksReceived &+= 1", "requests[slot].acksReceived &+= 0",
            breaks: "a write waits for ever"),
        Mutant(
            "install-before-acks", in: "Engine+Requester.swift", "let isComplete = request.acksReceived == request.acksNeeded",
            "let isComplete = true", breaks: "a writer beside readers"),
        Mutant(
            "grant-before-acks", in: "Engine+Requester.swift", "if requests[slot].acksReceived == requests[slot].acksNeeded {", "do {",
            breaks: "a writer beside readers"),
        Mutant(
            "ownership-forgotten", in: "Engine+Requester.swift", "if request.exclusive, !isHome(range) { flags.owned = true }", "",
            breaks: "the owner does not answer"),
        Mutant(
            "write-protection-left-out", in: "Engine+Requester.swift", "effects.append(.install(page, writable: request.exclusive, from: source))",
            "effects.append(.install(page, writable: true, from: source))", breaks: "a reader that can write"),
    ]

    private static let holder = [
        Mutant(
            "copy-on-its-way-acknowledged-now", in: "Engine+Holder.swift", "message.mask >= requests[slot].sequence", "false",
            breaks: "a reader is never invalidated"),
        Mutant(
            "dropped-copy-waited-for", in: "Engine+Holder.swift", "requests[slot].kind == .shared, message.mask >= requests[slot].sequence",
            "requests[slot].kind == .shared", breaks: "a writer and a reader wait for each other"),
        Mutant(
            "relayed-without-a-copy", in: "Engine+Holder.swift",
            "        case .none: send(Message(.refusal, page), to: message.requester, .none, &effects)\n",
            "        case .none: send(Message(.data, page, zero: true), to: message.requester, .none, &effects)\n",
            breaks: "a reader gets zeros"),
        Mutant(
            "deferred-forward-dropped", in: "Engine+Holder.swift", "                deferrals.setDeadline(page, deadline)",
            "                deferrals.remove(next)", breaks: "a request waits for ever"),
        Mutant(
            "deferral-flag-left", in: "Engine+Holder.swift",
            "            states[Int(page.rawValue)].deferred = deferrals.next(of: page) != nil\n", "",
            breaks: "the page counts as deferred for ever"),
        Mutant(
            "deferred-read-forgets-transaction", in: "Engine+Holder.swift",
            "            if isHome(range) { endTransaction(page, range, now: now, effects: &effects) }\n", "",
            breaks: "the page's next request waits for ever"),
        Mutant(
            "deferred-write-before-reads", in: "Storage/DeferralTable.swift",
            "            if items[position].kind == .forwardShared { return items[position] }\n", "",
            breaks: "a read is answered from a dropped copy"),
        Mutant(
            "protect-left-out", in: "Engine+Holder.swift",
            "        if kind != .invalidate, states[index].access == .write {\n            effects.append(.protect(page))\n",
            "        if kind != .invalidate, states[index].access == .write {\n", breaks: "a writer beside a reader"),
        Mutant(
            "acknowledged-but-kept", in: "Engine+Holder.swift",
            "        default:\n            dropForWriter(page, range, now: now, &effects)\n            send(Message(.invalidateAck",
            "        default:\n            send(Message(.invalidateAck", breaks: "a reader beside a writer"),
        Mutant(
            "forward-keeps-copy", in: "Engine+Holder.swift",
            "acks: acks, exclusive: true), to: requester, .page(page), &effects)\n            dropForWriter(page, range, now: now, &effects)",
            "acks: acks, exclusive: true), to: requester, .page(page), &effects)", breaks: "a reader beside a writer"),
        Mutant(
            "contents-after-drop", in: "Engine+Holder.swift",
            "            send(Message(.data, page, acks: acks, exclusive: true), to: requester, .page(page), &effects)\n            dropForWriter(page, range, now: now, &effects)",
            "            dropForWriter(page, range, now: now, &effects)\n            send(Message(.data, page, acks: acks, exclusive: true), to: requester, .page(page), &effects)",
            breaks: "the contents are gone when they are sent"),
        Mutant(
            "acks-not-passed-on", in: "Engine+Holder.swift", "send(Message(.data, page, acks: acks, exclusive: true)",
            "send(Message(.data, page, exclusive: true)", breaks: "a writer beside readers"),
        Mutant(
            "ownership-kept-after-home-read", in: "Engine+Holder.swift",
            "if requester == range.home { states[index].owned = false }", "", breaks: "two nodes answer for one page"),
        Mutant(
            "forward-for-the-copy-to-come-answered-now", in: "Engine+Holder.swift", "!isOwner || requests[slot].arrival != .nothing",
            "!isOwner", breaks: "a forward is answered from a stale copy"),
    ]

    private static let home = [
        Mutant(
            "request-not-counted", in: "Engine+Home.swift", "        receivedRequests[Int(sender.rawValue)] &+= 1\n", "",
            breaks: "an invalidation is taken for an old one"),
        Mutant(
            "queue-lost", in: "Engine+Home.swift", "            directory[position].queueTail = tail\n            serve(page",
            "            directory[position].queueTail = -1\n            serve(page", breaks: "a request waits for ever"),
        Mutant(
            "one-invalidation-not-sent", in: "Engine+Home.swift", "        var left = nodes\n        while let sharer",
            "        var left = nodes\n        _ = left.popFirst()\n        while let sharer", breaks: "a write waits for ever"),
        Mutant(
            "sharer-not-noted", in: "Engine+Home.swift",
            "        entry.sharers.insert(requester)\n        if states[Int(page.rawValue)].access == .write",
            "        if states[Int(page.rawValue)].access == .write", breaks: "a reader is never invalidated"),
        Mutant(
            "sharers-not-removed", in: "Engine+Home.swift", "        entry.sharers = NodeSet()\n", "",
            breaks: "nodes without a copy are asked"),
        Mutant(
            "owner-not-invalidated", in: "Engine+Home.swift", "            if owner != requester { others.insert(owner) }\n", "",
            breaks: "the old owner keeps its copy"),
        Mutant(
            "owner-not-updated", in: "Engine+Home.swift",
            "        entry.owner = requester\n        entry.sharers = NodeSet()", "        entry.sharers = NodeSet()",
            breaks: "the wrong node is asked"),
        Mutant(
            "write-back-dropped", in: "Engine+Home.swift",
            "            effects.append(.install(message.page, writable: false, from: .received(index: 0)))\n", "",
            breaks: "the contents are lost"),
        Mutant(
            "write-back-from-anyone", in: "Engine+Home.swift", "if directory[position].owner == sender {\n            // Who still waits",
            "if true {\n            // Who still waits", breaks: "old contents replace new ones"),
        Mutant(
            "relayed-reader-not-noted", in: "Engine+Home.swift",
            "            entry.sharers.insert(requester)\n            directory[position] = entry\n            send(Message(.forwardShared, page, requester: requester, zero: true)",
            "            directory[position] = entry\n            send(Message(.forwardShared, page, requester: requester, zero: true)",
            breaks: "a reader is never invalidated"),
        Mutant(
            "refused-reader-still-noted", in: "Engine+Home.swift",
            "        if message.zero { directory[directoryIndex(message.page, range)].sharers.remove(sender) }\n", "",
            breaks: "a reader that asks again is refused for ever"),
        Mutant(
            "relayed-again-and-again", in: "Engine+Home.swift", "mayRelay: !message.zero", "mayRelay: true",
            breaks: "a reader and a node without a copy keep asking each other"),
        Mutant(
            "hint-removes-nobody", in: "Engine+Home.swift", "            directory[directoryIndex(page, range)].sharers.remove(sender)\n", "",
            breaks: "the directory names a node without a copy"),
        Mutant(
            "writer-evicts-unprotected", in: "Engine+Eviction.swift", "        if flags.access == .write { effects.append(.protect(page)) }\n", "",
            breaks: "writes after the write-back are lost"),
        Mutant(
            "write-back-not-awaited", in: "Engine+Eviction.swift", "        flags.writingBack = true\n", "",
            breaks: "a forward that crosses the write-back finds nobody"),
        Mutant(
            "prefetch-gives-shared-page-away", in: "Engine+Prefetch.swift", "!exclusive || (entry.sharers.isEmpty && holdDeadline",
            "!exclusive || (holdDeadline", breaks: "a writer beside a reader"),
        Mutant(
            "prefetch-of-busy-page", in: "Engine+Prefetch.swift", "guard !entry.isBusy, entry.owner == node,", "guard entry.owner == node,",
            breaks: "a page in a transaction is given away"),
    ]
}
