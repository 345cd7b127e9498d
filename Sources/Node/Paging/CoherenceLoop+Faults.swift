import Platform
import Coherence
import Interconnect
import KVM

/// Faults of this node's processors and devices.
extension CoherenceLoop where Link: ~Copyable {
    func takeFaults() throws(SystemError) {
        while true {
            let count = try memory.readFaults(into: &events)
            guard count > 0 else { return }
            let now = monotonicNow()
            for index in 0..<count {
                let event = events[index]
                waiters.began(event, now: now)
                if isDraining {
                    fill(event.page)
                    continue
                }
                if isHalted { continue }
                engine.fault(
                    event.page, isWrite: event.isWrite, processor: UInt16(truncatingIfNeeded: event.thread),
                    now: Instant(nanoseconds: now), effects: &effects)
                try executeWithoutContents(now: now)
            }
            guard count == events.count else { return }
        }
    }

    /// Logs, once each, waits for a page of more than 5 s, with the engine's state: a hang is never silent.
    func logLongWaits(_ now: UInt64) {
        nextWatch = now + LoopTimes.watchInterval
        for wait in waiters.takeOverdue(limit: LoopTimes.longWait, now: now) {
            let state = engine.stateOf(wait.page)
            log(
                "processor \(wait.processor) of this node has waited \(wait.nanoseconds / 1_000_000_000) s for page "
                    + "0x\(String(wait.page.rawValue, radix: 16)): \(state)")
        }
    }

    // MARK: A dead machine

    /// This node's kernel refuses what the loop needs: the machine is over.
    func fail(_ error: SystemError) {
        // What the guest had nobody reads any more. Each processor that waits needs a page to leave, and so may whoever says what has happened.
        if error.isOutOfMemory { memory.release() }
        onFailure(error)
        effects.removeAll()
        beginDraining()
    }

    /// From now on every page that a thread waits for is filled with zeros, and nothing is sent.
    func beginDraining() {
        isDraining = true
        for page in waiters.pages { fill(page) }
    }

    private func fill(_ page: PageNumber) {
        _ = try? memory.installZero(page, writable: true)
        try? memory.makeWritable(page)
        memory.wake(page)
        waiters.ended(page, isRemote: false, now: monotonicNow())
    }
}
