import Platform
import KVM
import Synchronization

/// The guest's time-stamp counter on this node: the host's counter plus an offset that all of the node's processors
/// share. Corrections only move it forward, in steps, and a guest's write moves it as far as it says; processors apply a new offset before
/// they next run guest code.
package final class MachineClock: Sendable {
    /// Steps are at least so long, in nanoseconds: less than the fastest message between two processors of one board, so that the one that has not
    /// taken a step yet is not seen behind.
    private static let shortestStep: UInt64 = 100

    /// Ticks a millisecond, as the guest is told.
    package let kilohertz: UInt64
    /// Ticks a millisecond of CLOCK_MONOTONIC: what this node's kernel believes.
    private let kernelKilohertz: UInt64
    private let offsetStorage: Atomic<UInt64>
    private let changes = Atomic<UInt32>(1)
    /// The course, and how much of it processors have been told.
    private let course: Mutex<(course: ClockCourse, told: UInt64)>
    private let first: UInt64

    package init(kilohertz: UInt64, kernelKilohertz: UInt64? = nil, offset: UInt64 = 0) {
        self.kilohertz = kilohertz
        self.kernelKilohertz = kernelKilohertz ?? kilohertz
        offsetStorage = Atomic(offset)
        course = Mutex((ClockCourse(offset: offset, since: hostTimestamp()), offset))
        first = offset
    }

    package var offset: UInt64 { offsetStorage.load(ordering: .sequentiallyConsistent) }
    /// Counts changes of the offset.
    var generation: UInt32 { changes.load(ordering: .sequentiallyConsistent) }

    /// Moves the clock because the guest wrote to it, on whichever node; its course goes on from there.
    package func move(by ticks: UInt64) {
        offsetStorage.wrappingAdd(ticks, ordering: .sequentiallyConsistent)
        changes.wrappingAdd(1, ordering: .sequentiallyConsistent)
    }

    // MARK: Course

    /// What the clock has gained on this node's counter since the plan, guest writes left out.
    package var lead: ClockLead {
        course.withLock { ClockLead(gained: $0.course.offset(at: hostTimestamp()) &- first, gain: $0.course.gain) }
    }

    /// Takes another course.
    func steer(_ change: (ClockCourse) -> ClockCourse) { course.withLock { $0.course = change($0.course) } }

    /// Puts what the course has gained into the offset, when it is a step. A course that was steered after `now` was read may have gained less by then
    /// than it has been told: the clock waits for it and does not go back.
    ///
    /// - Parameters:
    ///   - step: ticks.
    ///   - now: the host's counter; read when it is asked for, no other step or course between.
    /// - Returns: whether it was, and the ticks of the host's counter until the next one is due; nil while nothing is gained.
    func step(of step: UInt64, at now: @autoclosure () -> UInt64 = hostTimestamp()) -> (isDue: Bool, next: UInt64?) {
        let step = max(step, Self.shortestStep * kilohertz / 1_000_000, 1)
        return course.withLock { state in
            let due = max(0, Int64(bitPattern: state.course.offset(at: now()) &- state.told))
            let isDue = due >= step
            if isDue { tell(UInt64(due), &state.told) }
            return (isDue, state.course.ticks(gaining: isDue ? step : step - UInt64(due)))
        }
    }

    /// Goes to where the course is at once, forwards or back: before any processor runs.
    func jump() { course.withLock { state in tell(state.course.offset(at: hostTimestamp()) &- state.told, &state.told) } }

    private func tell(_ ticks: UInt64, _ told: inout UInt64) {
        told &+= ticks
        move(by: ticks)
    }

    // MARK: Reading

    /// The guest's counter now.
    package var guestTimestamp: UInt64 { hostTimestamp() &+ offset }

    /// When the guest's counter reaches `timestamp`, in CLOCK_MONOTONIC nanoseconds; `now` if it has.
    func monotonic(atGuestTimestamp timestamp: UInt64, now: UInt64) -> UInt64 {
        let ahead = Int64(bitPattern: timestamp &- guestTimestamp)
        guard ahead > 0 else { return now }
        let (whole, part) = UInt64(ahead).quotientAndRemainder(dividingBy: kernelKilohertz)
        let (nanoseconds, overflow) = whole.multipliedReportingOverflow(by: 1_000_000)
        guard !overflow else { return .max }
        let (sum, past) = now.addingReportingOverflow(nanoseconds)
        let (time, over) = sum.addingReportingOverflow(part * 1_000_000 / kernelKilohertz)
        return past || over ? .max : time
    }

    func nanoseconds(ofTicks ticks: Int64) -> Int64 { Int64(max(-9e18, min(Double(ticks) * 1e6 / Double(kilohertz), 9e18))) }

    /// In CLOCK_MONOTONIC, which may run wrong.
    func monotonicNanoseconds(ofTicks ticks: UInt64) -> UInt64 { UInt64(min(Double(ticks) * 1e6 / Double(kernelKilohertz), 3.6e12)) }
}
