package import Machine
import Synchronization

/// What this node's processors reach outside of themselves: interrupts, devices, timers and the common clock, here and on other nodes.
package final class ProcessorRoom: ProcessorEnvironment {
    package let clock: MachineClock
    private let life: MachineLife
    private let router: InterruptRouter
    private let timers: TimerThread
    private let devices: DeviceRoom
    private let signals: [ProcessorSignal]
    private let control: ControlPlane
    private let hasReachedUserSpace = Atomic<Bool>(false)
    private let stopped: @Sendable (APICID, ProcessorStop) -> Void
    private let userSpaceReached: @Sendable () -> Void
    private let say: @Sendable (String) -> Void

    /// - Parameters:
    ///   - signals: of this node's processors.
    ///   - stopped: a processor gave up.
    ///   - userSpaceReached: called once, when the first of the processors is seen in user space.
    package init(
        clock: MachineClock, life: MachineLife, router: InterruptRouter, timers: TimerThread, devices: DeviceRoom, signals: [ProcessorSignal],
        control: ControlPlane, stopped: @escaping @Sendable (APICID, ProcessorStop) -> Void, userSpaceReached: @escaping @Sendable () -> Void,
        say: @escaping @Sendable (String) -> Void
    ) {
        self.clock = clock
        self.life = life
        self.router = router
        self.timers = timers
        self.devices = devices
        self.signals = signals
        self.control = control
        self.stopped = stopped
        self.userSpaceReached = userSpaceReached
        self.say = say
    }

    package var isDead: Bool { life.isOver }

    package func route(_ message: InterruptMessage) { if !isDead { router.route(message) } }

    package func publish(_ destination: LogicalDestination, of processor: APICID) {
        router.update(processor, destination)
        control.broadcast(.logicalDestination(processor, destination))
    }

    package func endOfInterrupt(_ vector: Vector) { devices.endOfInterrupt(vector) }
    package func read(_ access: DeviceAccess) -> UInt64 { devices.read(access) }
    package func write(_ access: DeviceAccess, _ value: UInt64) { devices.write(access, value) }

    package func moveTimestamp(by ticks: UInt64) {
        takeTimestampMove(ticks)
        control.broadcast(.timestampMove(ticks))
    }

    /// A guest's write, here or on another node, moved the machine's time-stamp counter.
    func takeTimestampMove(_ ticks: UInt64) {
        clock.advance(by: ticks)
        for signal in signals { signal.kick() }
    }

    package func setTimer(_ processor: Int, _ deadline: UInt64) { timers.set(processor, deadline) }
    package func processorStopped(_ processor: APICID, _ reason: ProcessorStop) { stopped(processor, reason) }

    package var isUserSpaceReached: Bool { hasReachedUserSpace.load(ordering: .relaxed) }
    package func reachUserSpace() { if !hasReachedUserSpace.exchange(true, ordering: .relaxed) { userSpaceReached() } }

    package func log(_ text: String) { say(text) }
}
