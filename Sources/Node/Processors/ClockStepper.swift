import Platform
import Synchronization

/// Moves this node's guest clock along its course, a step at a time, and has the processors that run guest code take each step.
final class ClockStepper: Sendable {
    /// Steps are this part of the quickest round trip between this node and node 0: no message is as fast.
    private static let part: Int64 = 256

    private let clock: MachineClock
    private let signals: [ProcessorSignal]
    private let step = Atomic<UInt64>(0)
    private let parker = Parker()
    private let isStopping = Atomic<Bool>(false)

    init(_ clock: MachineClock, _ signals: [ProcessorSignal]) {
        self.clock = clock
        self.signals = signals
    }

    /// - Parameter roundTrip: ticks of the quickest exchange with node 0.
    func steer(roundTrip: Int64, _ change: (ClockCourse) -> ClockCourse) {
        step.store(UInt64(max(0, roundTrip / Self.part)), ordering: .relaxed)
        clock.steer(change)
        parker.unpark()
    }

    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        parker.unpark()
    }

    func run() {
        becomeRealtime(priority: 18)
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            let (isDue, next) = clock.step(of: step.load(ordering: .relaxed))
            if isDue { for signal in signals { signal.nudge() } }
            parker.park(timeout: next.map { clock.monotonicNanoseconds(ofTicks: $0) })
        }
    }
}
