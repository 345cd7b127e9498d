import Contract
import Platform
import Coherence
import Interconnect

/// What the peers send.
extension CoherenceLoop where Link: ~Copyable {
    func takeMessages(_ channel: PageChannel<Link>) {
        while true {
            switch channel.poll() {
            case .message(let delivery):
                if !isDraining, !isHalted, !take(delivery, from: channel) { return }
            case .empty: return
            case .interrupted(let why): return handle(.interrupted(why), of: channel)
            case .lost(let loss): return handle(.lost(loss), of: channel)
            }
        }
    }

    /// A link that is interrupted waits for what it goes on with, as long as there is somebody to bring that.
    func handle(_ end: LinkEnd, of channel: PageChannel<Link>) {
        // A dead machine's peers may go. Their descriptors are readable for ever then: a loop that never sleeps at this
        // priority keeps every other thread from ending.
        if isDraining { return remove(channel) }
        switch end {
        case .lost(let why): lose(channel, .node("\(why)"))
        case .interrupted(let why):
            guard let onInterruption else { return lose(channel, .node("\(why)")) }
            interruptions.begin(NodeIndex(channel.peer), why, now: monotonicNow())
            onInterruption(channel.peer, why)
        }
    }

    /// Another stream for the link to `peer`, whatever became of the last one.
    func adopt(_ next: Link.Renewal, for peer: NodeID, now: UInt64) throws(SystemError) {
        guard !isDraining, let channel = channels[Int(peer.rawValue)] else { return }
        channel.adopt(next, now: now)
        interruptions.end(NodeIndex(peer))
        // Without a descriptor it was interrupted once too often, as flushing will say.
        if channel.fileDescriptor >= 0 { try poller.add(channel.fileDescriptor, as: UInt32(peer.rawValue)) }
    }

    func tickLinks(_ now: UInt64) {
        nextTick = now + LoopTimes.tickInterval
        for channel in channels {
            if let channel, let end = channel.tick(now: now) { handle(end, of: channel) }
        }
    }

    /// A link that nothing brings back is lost, also where the peer itself is heard.
    func loseInterrupted(_ now: UInt64) {
        for (peer, why) in interruptions.overdue(now: now, limit: interruptionLimit) {
            if let channel = channels[peer.position] { lose(channel, .link(ConsoleWords.notResumed(.coherence, after: interruptionLimit, why))) }
        }
    }

    /// Whether the peer is still to be listened to.
    private func take(_ delivery: PageDelivery, from channel: PageChannel<Link>) -> Bool {
        // SAFETY: the delivery stays valid until the channel's next `poll`; the effects are executed before that.
        let bytes = unsafe Span<UInt8>(_unsafeBytes: delivery.unsafeBody)
        guard let message = Message(decoding: bytes, nodeCount: nodeCount, totalPages: totalPages),
            let contents = unsafe channel.contents(delivery, of: message)
        else {
            lose(channel, .node("a coherence message that no node of this machine can send"))
            return false
        }
        let now = monotonicNow()
        do throws(ProtocolViolation) {
            try engine.receive(message, from: channel.peer, now: Instant(nanoseconds: now), effects: &effects)
        } catch {
            effects.removeAll()
            isHalted = true
            lose(channel, .node("\(error)"))
            return false
        }
        do throws(SystemError) {
            try unsafe execute(contents, now: now)
        } catch {
            fail(error)
            return false
        }
        return true
    }

    func lose(_ channel: PageChannel<Link>, _ why: PeerLoss) {
        remove(channel)
        onLoss(channel.peer, why)
    }

    /// Others may hold the channel still, so its descriptor stays open: the poller is told as well.
    private func remove(_ channel: PageChannel<Link>) {
        channels[Int(channel.peer.rawValue)] = nil
        interruptions.end(NodeIndex(channel.peer))
        try? poller.remove(channel.fileDescriptor)
    }
}
