package import Contract
package import Machine
import Synchronization

/// What this node's processors reach outside of themselves: interrupts, devices, timers and the common clock, here and on other nodes.
package final class ProcessorRoom: ProcessorEnvironment {
    package let clock: MachineClock
    private let node: NodeIndex
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
        clock: MachineClock, node: NodeIndex, life: MachineLife, router: InterruptRouter, timers: TimerThread, devices: DeviceRoom, signals: [ProcessorSignal],
        control: ControlPlane, stopped: @escaping @Sendable (APICID, ProcessorStop) -> Void, userSpaceReached: @escaping @Sendable () -> Void,
        say: @escaping @Sendable (String) -> Void
    ) {
        self.clock = clock
        self.node = node
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

    /// Node 0 tells it to everybody: to it goes what another node's guest wrote.
    package func moveTimestamp(by ticks: UInt64) {
        follow(ticks)
        if node == 0 { control.broadcast(.timestampMove(ticks)) } else { control.send(.timestampMove(ticks), to: 0) }
    }

    /// A guest's write on another node moved the machine's time-stamp counter.
    func takeTimestampMove(_ ticks: UInt64, from peer: NodeIndex, of count: Int) throws(PeerViolation) {
        guard node == 0 || peer == 0 else { throw PeerViolation("it moves the clock, which only node 0 tells") }
        follow(ticks)
        guard node == 0 else { return }
        for other in NodeIndex.all(of: count) where other != 0 && other != peer { control.send(.timestampMove(ticks), to: other) }
    }

    private func follow(_ ticks: UInt64) {
        clock.move(by: ticks)
        for signal in signals { signal.kick() }
    }

    package func setTimer(_ processor: Int, _ deadline: UInt64) { timers.set(processor, deadline) }
    package func processorStopped(_ processor: APICID, _ reason: ProcessorStop) { stopped(processor, reason) }

    package var isUserSpaceReached: Bool { hasReachedUserSpace.load(ordering: .relaxed) }
    package func reachUserSpace() { if !hasReachedUserSpace.exchange(true, ordering: .relaxed) { userSpaceReached() } }

    package func log(_ text: String) { say(text) }
}
