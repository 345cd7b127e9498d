import Platform
import KVM
import Synchronization

/// The guest's time-stamp counter on this node: the host's counter plus an offset that all of the node's processors
/// share. Corrections only step it forward, a guest's write moves it as far as it says; processors apply a new offset before they
/// next run guest code.
package final class MachineClock: Sendable {
    /// Ticks a millisecond.
    package let kilohertz: UInt64
    private let offsetStorage: Atomic<UInt64>
    private let changes = Atomic<UInt32>(1)
    /// How far guests' writes have moved the machine's counter, modulo 2^64. Its lock orders all changes of the offset.
    private let moved = Mutex<UInt64>(0)

    package init(kilohertz: UInt64, offset: UInt64 = 0) {
        self.kilohertz = kilohertz
        offsetStorage = Atomic(offset)
    }

    package var offset: UInt64 { offsetStorage.load(ordering: .sequentiallyConsistent) }
    /// Counts changes of the offset.
    var generation: UInt32 { changes.load(ordering: .sequentiallyConsistent) }

    /// Where node 0's counter is, before the machine runs.
    package func setOffset(_ offset: UInt64) { moved.withLock { _ in store(offset) } }

    /// A guest's write, on whichever node, moved the machine's counter by `ticks`.
    package func move(by ticks: UInt64) {
        moved.withLock { moved in
            moved &+= ticks
            store(offset &+ ticks)
        }
    }

    /// Steps forward to node 0's counter where this one is behind it by more than `bound` ticks.
    /// - Parameter reference: the offset that node 0's counter has here, without what guests' writes have moved it.
    package func correct(toward reference: UInt64, bound: Int64) {
        moved.withLock { moved in
            let behind = Int64(bitPattern: reference &+ moved &- offset)
            if behind > bound { store(offset &+ UInt64(behind)) }
        }
    }

    private func store(_ offset: UInt64) {
        offsetStorage.store(offset, ordering: .sequentiallyConsistent)
        changes.add(1, ordering: .sequentiallyConsistent)
    }

    /// The guest's counter now.
    package var guestTimestamp: UInt64 { hostTimestamp() &+ offset }

    /// When the guest's counter reaches `timestamp`, in CLOCK_MONOTONIC nanoseconds; `now` if it has.
    func monotonic(atGuestTimestamp timestamp: UInt64, now: UInt64) -> UInt64 {
        let ahead = Int64(bitPattern: timestamp &- guestTimestamp)
        guard ahead > 0 else { return now }
        let (whole, part) = UInt64(ahead).quotientAndRemainder(dividingBy: kilohertz)
        let (nanoseconds, overflow) = whole.multipliedReportingOverflow(by: 1_000_000)
        guard !overflow else { return .max }
        let (sum, past) = now.addingReportingOverflow(nanoseconds)
        let (time, over) = sum.addingReportingOverflow(part * 1_000_000 / kilohertz)
        return past || over ? .max : time
    }

    func nanoseconds(ofTicks ticks: Int64) -> Int64 { Int64(Double(ticks) * 1e6 / Double(kilohertz)) }
}
