import Platform
import KVM
import Synchronization

/// How other threads get a processor's attention. The processor's thread says what it does; a kick costs a signal only
/// while guest code runs, and none while the processor waits for a page (a signal then only makes KVM spin).
package final class ProcessorSignal: Sendable {
    private enum Activity {
        static let inUserSpace: UInt32 = 0
        static let inGuest: UInt32 = 1
        static let halted: UInt32 = 2
    }

    private let activity = Atomic<UInt32>(Activity.inUserSpace)
    private let pending = Atomic<Bool>(false)
    private let waiting = Atomic<Bool>(false)
    private let thread = Atomic<Int32>(0)
    let pacing = TimerPacing()
    private let parker = Parker()

    private let send: @Sendable (Int32) -> Void

    /// - Parameter kick: makes the thread of that number leave guest code (``ProcessorBackend/kick(thread:)``).
    package init(kick: @escaping @Sendable (Int32) -> Void = { VirtualProcessor.kick(thread: $0) }) { send = kick }

    package var threadID: Int32 { thread.load(ordering: .relaxed) }

    package var isWaitingForPage: Bool {
        get { waiting.load(ordering: .sequentiallyConsistent) }
        set { waiting.store(newValue, ordering: .sequentiallyConsistent) }
    }

    // MARK: Other threads

    /// The processor looks at its interrupts, timers and orders soon.
    package func kick() {
        pending.store(true, ordering: .sequentiallyConsistent)
        switch activity.load(ordering: .sequentiallyConsistent) {
        case Activity.halted: parker.unpark()
        case Activity.inGuest where !isWaitingForPage: send(threadID)
        default: break
        }
    }

    /// The same for what a sleeping processor looks at anyway when it wakes.
    func nudge() { if activity.load(ordering: .sequentiallyConsistent) != Activity.halted { kick() } }

    /// Delivers a kick that came while the processor waited for a page.
    func repeatKick() {
        guard pending.load(ordering: .sequentiallyConsistent),
            activity.load(ordering: .sequentiallyConsistent) == Activity.inGuest
        else { return }
        send(threadID)
    }

    // MARK: The processor's own thread

    func bind() { thread.store(Kick.currentThread, ordering: .sequentiallyConsistent) }

    /// False: there is something to look at first.
    func willEnterGuest() -> Bool {
        activity.store(Activity.inGuest, ordering: .sequentiallyConsistent)
        guard pending.exchange(false, ordering: .sequentiallyConsistent) else { return true }
        activity.store(Activity.inUserSpace, ordering: .sequentiallyConsistent)
        return false
    }

    func didLeaveGuest() { activity.store(Activity.inUserSpace, ordering: .sequentiallyConsistent) }

    /// Sleeps until a kick, or for `timeout` nanoseconds.
    func sleep(timeout: UInt64?) {
        pacing.rested()
        activity.store(Activity.halted, ordering: .sequentiallyConsistent)
        if !pending.exchange(false, ordering: .sequentiallyConsistent) { parker.park(timeout: timeout) }
        activity.store(Activity.inUserSpace, ordering: .sequentiallyConsistent)
        _ = pending.exchange(false, ordering: .sequentiallyConsistent)
    }
}
