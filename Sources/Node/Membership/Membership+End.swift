import Contract
import Interconnect

/// From the first cause of an end to the last word.
extension Membership {
    // MARK: Causes

    /// Nodes that nobody waits for any more.
    private var isGone: [Bool] {
        var gone = Array(repeating: false, count: count)
        for peer in unheard { gone[node: peer] = true }
        for cause in causes {
            switch cause {
            case .lost(let peer, _): gone[node: peer] = true
            // Words go by other nodes.
            case .cut(node, let peer, _), .cut(let peer, node, _): gone[node: peer] = true
            case .alone: for peer in gone.indices where peer != node.position { gone[peer] = true }
            case .refused, .poweredOff, .guestFailed, .reboot, .failed, .unsuitable, .cut: break
            }
        }
        return gone
    }

    mutating func lose(_ peer: NodeIndex, _ why: String) {
        switch phase {
        case .over: return
        case .collecting: leaves(peer)
        case .reporting:
            let before = collector
            leaves(peer)
            if collector != before { report() } else { sayGoodbyeWhenAllHaveReported() }
        case .ending:
            // The cause is known; another one now would be told to some only. This peer is not waited for.
            unheard.insert(peer)
            settleWhenAllKnowTheSame()
        default: add((isRefused ? [.refused] : []) + [.lost(node: peer, why: why)])
        }
    }

    mutating func lose(linkTo peer: NodeIndex, _ why: String) {
        if end == nil, phase != .ending { add([.cut(min(node, peer), max(node, peer), why: why)]) } else { lose(peer, why) }
    }

    mutating func lose(_ loss: Watch.Loss) {
        switch loss {
        case .node(let peer, let reason): lose(peer, "\(reason)")
        case .link(let low, let high, let reason):
            lose(linkTo: low == node ? high : low, "\(reason)")
        case .alone:
            if end == nil { add([MachineEnd(loss)]) } else { for peer in NodeIndex.all(of: count) where peer != node { lose(peer, "") } }
        }
    }

    /// After the end a peer's leaving is no loss; its figures do not come any more.
    private mutating func leaves(_ peer: NodeIndex) {
        hasLeft.insert(peer)
        if peers[node: peer].report == nil { peers[node: peer].report = .some(nil) }
    }

    /// - Note: what comes of a node that counts as lost is not heard: others may have settled without it.
    mutating func take(_ word: EndWord, from peer: NodeIndex) {
        guard end == nil, !isGone[node: peer] else { return }
        peers[node: peer].word = word
        let heard = word.causes.map { cause -> MachineEnd in
            switch cause {
            // Of two that live, none is lost.
            case .lost(node, let why) where count == 2: .cut(0, 1, why: ConsoleWords.reported(why, by: peer))
            case .lost(let node, let why): .lost(node: node, why: ConsoleWords.reported(why, by: peer))
            case .cut(let low, let high, let why): .cut(low, high, why: ConsoleWords.reported(why, by: peer))
            // It speaks, and hears nobody.
            case .alone: .lost(node: peer, why: "it hears none of the other nodes; look at its port and cable")
            case .refused, .poweredOff, .guestFailed, .reboot, .failed, .unsuitable: cause
            }
        }
        add(heard)
        if word.isFinal, end == nil { settle(heard[0]) }
    }

    /// Takes causes in; what is new is told to everybody.
    mutating func add(_ new: [MachineEnd]) {
        guard end == nil else { return }
        let known = causes.count
        for cause in new + (new.contains(.reboot) ? resetCause : []) where !causes.contains(where: { $0.rank == cause.rank }) { causes.append(cause) }
        if causes.count > known {
            causes.sort { $0.rank < $1.rank }
            // However many causes a peer thinks of, the first one's time is not begun anew; a loss may shorten it.
            let latest = phase == .ending ? deadline : .max
            if phase != .ending { act(.stop) }
            enter(.ending, patience: agreementPatience)
            deadline = min(deadline, latest)
            act(.broadcast(.end(EndWord(causes: causes, isFinal: false))))
        }
        settleWhenAllKnowTheSame()
    }

    // MARK: Agreement

    /// Who does not answer after a loss has been silent for as long as the lost one. Any other end may come during an outage, which is waited for.
    private var agreementPatience: UInt64 {
        let hasLoss = causes.contains { cause in
            switch cause {
            case .lost, .cut, .alone: true
            case .refused, .poweredOff, .guestFailed, .reboot, .failed, .unsuitable: false
            }
        }
        return hasLoss ? Patience.agreement : UInt64((plan?.outageSeconds ?? outageSeconds) + 2) * 1_000_000_000
    }

    private mutating func settleWhenAllKnowTheSame() {
        let (gone, ranks) = (isGone, causes.map(\.rank))
        let isAgreed = peers.indices.allSatisfy { $0 == node.position || gone[$0] || peers[$0].word?.causes.map(\.rank) == ranks }
        if isAgreed { settle(causes[0]) }
    }

    private mutating func settle(_ end: MachineEnd) {
        self.end = end
        for (peer, gone) in isGone.enumerated() where gone { leaves(NodeIndex(peer)) }
        act(.broadcast(.end(EndWord(causes: [end], isFinal: true))))
        if let line = ConsoleWords.end(end, plan: plan) { act(.say(line)) }
        enter(.collecting, patience: nil)
        act(.perform(.collect))
    }

    // MARK: Figures and farewell

    /// Who collects the reports and says when to leave: node 0 while it lives.
    private var collector: NodeIndex { NodeIndex.all(of: count).first { !hasLeft.contains($0) || $0 == node } ?? node }

    mutating func collected(_ report: NodeReport?) {
        guard phase == .collecting else { return }
        peers[node: node].report = .some(report)
        self.report()
    }

    private mutating func report() {
        if collector == node {
            enter(.reporting, patience: Patience.reports)
        } else {
            act(.send(.report(peers[node: node].report ?? nil), to: collector))
            enter(.reporting, patience: Patience.goodbye)
        }
        sayGoodbyeWhenAllHaveReported()
    }

    mutating func take(_ report: NodeReport?, of peer: NodeIndex) {
        guard phase != .over, peers[node: peer].report == nil else { return }
        peers[node: peer].report = .some(report)
        if phase == .reporting { sayGoodbyeWhenAllHaveReported() }
    }

    private mutating func sayGoodbyeWhenAllHaveReported() {
        if hasTakenGoodbye {
            leave()
        } else if collector == node, all({ $0.report != nil }) {
            sayGoodbye()
        }
    }

    private mutating func sayGoodbye() {
        let reports = peers.compactMap { $0.report ?? nil }
        if node == 0, !reports.isEmpty { act(.perform(.tell(reports))) }
        act(.broadcast(.goodbye))
        leave()
    }

    mutating func takeGoodbye(from peer: NodeIndex) {
        hasTakenGoodbye = true
        if phase == .reporting { leave() }
    }

    private mutating func leave() {
        guard let end else { return }
        enter(.over, patience: nil)
        act(.perform(.leave(end)))
    }

    // MARK: Time

    mutating func expire() {
        switch phase {
        case .joining, .judging, .measuring, .building, .starting, .running, .collecting, .over: deadline = .max
        case .stating: giveUp("statement")
        case .awaitingVerdicts: giveUp("verdict")
        case .awaitingPlan: giveUp(node == 0 ? "hello" : "plan")
        case .awaitingStart: giveUp(node == 0 ? "ready" : "start")
        case .ending: settle(causes[0])
        case .reporting: if collector == node { sayGoodbye() } else { leave() }
        }
    }

    private mutating func giveUp(_ what: String) { add([.failed(node: node, why: ConsoleWords.waited(for: what, seconds: Patience.phase / 1_000_000_000))]) }
}
