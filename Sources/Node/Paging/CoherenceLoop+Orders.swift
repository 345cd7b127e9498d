import Platform
package import Coherence
import Contract
package import Interconnect
import KVM
import Synchronization

/// What other threads want of the loop, until it takes it.
struct LoopOrders<Renewal: Sendable> {
    /// Snapshots asked for so far, and how many of them `snapshot` answers.
    var asked: UInt64 = 0
    var answered: UInt64 = 0
    var snapshot = CoherenceSnapshot()
    /// To go over to.
    var policies: PolicySet?
    /// Streams that links go on with.
    var renewals: [(peer: NodeID, next: Renewal)] = []
    var drain = false
    var quit = false
}

/// What other threads may ask for.
extension CoherenceLoop where Link: ~Copyable {
    /// What the loop looks like after all orders before this one; nil when it does not answer within 2 s.
    package func snapshot() -> CoherenceSnapshot? {
        let number = orders.withLock { orders in
            orders.asked += 1
            return orders.asked
        }
        wake.raise()
        for _ in 0..<200 {
            if let snapshot = orders.withLock({ $0.answered >= number ? $0.snapshot : nil }) { return snapshot }
            answered.park(timeout: 10_000_000)
        }
        return nil
    }

    /// Goes over to other policies, for what comes from now on.
    package func use(_ policies: PolicySet) {
        orders.withLock { $0.policies = policies }
        wake.raise()
    }

    /// The machine is dead: from now on every page a thread waits for is filled with zeroes, so that the processors
    /// come back from KVM and can be collected. Nothing is sent any more.
    package func drain() {
        orders.withLock { $0.drain = true }
        wake.raise()
    }

    /// The link to `peer` goes on over `next`, from where both ends are.
    package func adopt(_ next: Link.Renewal, for peer: NodeID) {
        orders.withLock { $0.renewals.append((peer, next)) }
        wake.raise()
    }

    package func quit() {
        orders.withLock { $0.quit = true }
        wake.raise()
    }

    /// On the loop's thread; false: it is to end.
    func takeOrders() throws(SystemError) -> Bool {
        let (asked, isAnswered, policies, renewals, drain, quit) = orders.withLock { orders in
            defer { (orders.policies, orders.renewals) = (nil, []) }
            return (orders.asked, orders.asked == orders.answered, orders.policies, orders.renewals, orders.drain, orders.quit)
        }
        for (peer, next) in renewals { try adopt(next, for: peer, now: monotonicNow()) }
        if let policies {
            engine.use(policies)
            for channel in channels { channel?.sendsDifferences = policies.contains(.differenceTransfer) }
        }
        if !isAnswered {
            let snapshot = makeSnapshot()
            orders.withLock { orders in
                orders.snapshot = snapshot
                orders.answered = asked
            }
            answered.unpark()
        }
        if drain && !isDraining { beginDraining() }
        return !quit
    }

    private func makeSnapshot() -> CoherenceSnapshot {
        var snapshot = CoherenceSnapshot()
        snapshot.statistics = engine.statistics
        snapshot.policies = engine.policies
        snapshot.faultTimes = waiters.times
        snapshot.waiting = waiters.waits(now: monotonicNow())
        snapshot.heldPages = engine.heldPageCount
        snapshot.hottest = engine.hottestPages(16)
        for channel in channels {
            guard let channel else { continue }
            let counters = channel.counters
            snapshot.bytesSent += counters.bytesSent
            snapshot.bytesReceived += counters.bytesReceived
            snapshot.sendOverflows += channel.overflowed
            snapshot.differencesSent += channel.differencesSent
            snapshot.bytesSpared += channel.bytesSpared
            snapshot.connections[NodeIndex(channel.peer)] = counters
        }
        snapshot.shadowsForgotten = forgetter?.forgotten ?? 0
        snapshot.shadowsSpared = forgetter?.spared ?? 0
        return snapshot
    }
}
