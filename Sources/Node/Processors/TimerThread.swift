import Platform
import KVM
import Interconnect
import Synchronization

/// Kicks processors when their local APIC timers are due while guest code runs. (A sleeping processor wakes by itself.)
package final class TimerThread: Sendable {
    private let deadlines: Mutex<[UInt64]>
    private let signals: [ProcessorSignal]
    private let parker = Parker()
    private let sleepingUntil = Atomic<UInt64>(.max)
    private let isStopping = Atomic<Bool>(false)

    package init(_ signals: [ProcessorSignal]) {
        self.signals = signals
        deadlines = Mutex(Array(repeating: .max, count: signals.count))
    }

    /// Sets the time (CLOCK_MONOTONIC, ns) of the next kick of a processor; `.max` is never.
    func set(_ processor: Int, _ deadline: UInt64) {
        deadlines.withLock { $0[processor] = deadline }
        if deadline < sleepingUntil.load(ordering: .sequentiallyConsistent) { parker.unpark() }
    }

    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        parker.unpark()
    }

    func run() {
        becomeRealtime(priority: 18)
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            let now = monotonicNow()
            var next = UInt64.max
            for index in signals.indices {
                let isDue = deadlines.withLock { deadlines in
                    guard deadlines[index] <= now else {
                        next = min(next, deadlines[index])
                        return false
                    }
                    deadlines[index] = .max
                    return true
                }
                if isDue { signals[index].kick() }
            }
            sleepingUntil.store(next, ordering: .sequentiallyConsistent)
            let earliest = deadlines.withLock { $0.min() ?? .max }
            guard earliest >= next else { continue }
            parker.park(timeout: next == .max ? nil : next - min(next, monotonicNow()))
        }
    }
}
