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
            case .lost(let loss):
                // A dead machine's peers may go. Their descriptors are readable for ever then: a loop that never sleeps at this
                // priority keeps every other thread from ending.
                if isDraining { remove(channel) } else { lose(channel, "\(loss)") }
                return
            }
        }
    }

    /// Whether the peer is still to be listened to.
    private func take(_ delivery: PageDelivery, from channel: PageChannel<Link>) -> Bool {
        // SAFETY: the delivery stays valid until the channel's next `poll`; the effects are executed before that.
        let bytes = unsafe Span<UInt8>(_unsafeBytes: delivery.unsafeBody)
        guard let message = Message(decoding: bytes, nodeCount: nodeCount, totalPages: totalPages),
            let contents = unsafe channel.contents(delivery, of: message)
        else {
            lose(channel, "a coherence message that no node of this machine can send")
            return false
        }
        let now = monotonicNow()
        do throws(ProtocolViolation) {
            try engine.receive(message, from: channel.peer, now: Instant(nanoseconds: now), effects: &effects)
        } catch {
            effects.removeAll()
            isHalted = true
            lose(channel, "\(error)")
            return false
        }
        do throws(SystemError) {
            try unsafe execute(contents, now: now)
        } catch {
            onLoss(node, "\(error)")
        }
        return true
    }

    func lose(_ channel: PageChannel<Link>, _ why: String) {
        remove(channel)
        onLoss(channel.peer, why)
    }

    /// Others may hold the channel still, so its descriptor stays open: the poller is told as well.
    private func remove(_ channel: PageChannel<Link>) {
        channels[Int(channel.peer.rawValue)] = nil
        try? poller.remove(channel.fileDescriptor)
    }
}
