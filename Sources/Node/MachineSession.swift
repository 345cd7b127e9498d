package import Contract
import Bytes
import Platform
package import Coherence
package import KVM
package import Interconnect
package import Machine
import Synchronization

/// This node's part of one machine, from plan to end: memory, processors, devices and the threads that run them.
// SAFETY: unchecked because `threads` and `loopThread` belong to the thread that starts and finishes the session.
package final class MachineSession: @unchecked Sendable {
    package let setup: Setup
    package let layout: MachineLayout
    package let clock: MachineClock
    let processors: [Processor<VirtualProcessor, ProcessorRoom>]
    /// For the threads behind devices.
    package let guestMemory: GuestMemoryAccess
    let loop: CoherenceLoop<Connection>
    private let life = MachineLife()
    let router: InterruptRouter
    private let timers: TimerThread
    private let stepper: ClockStepper
    let devices: DeviceRoom
    private let room: ProcessorRoom
    private let control: ControlPlane
    private let watch: WatchRoom
    private let running = Atomic<Int>(0)
    private let collected = Parker()
    private var loopThread: SystemThread?
    private var threads: [SystemThread] = []
    private let startTime = monotonicNow()
    private let skew = Mutex(ClockFigures())

    /// Builds memory, processors and the coherence loop. Nothing runs yet.
    /// - Parameters:
    ///   - interrupted: hears of each coherence connection that is interrupted: ``adopt(_:for:)`` is to follow. Must not block.
    ///   - report: hears what ends the machine, on whichever thread it happens; must not block.
    package init(
        _ setup: Setup, machine: VirtualMachine, control: ControlPlane, watch: WatchRoom, coherence: [PageChannel<Connection>?],
        interrupted: @escaping @Sendable (NodeIndex, ConnectionLoss) -> Void, report: @escaping @Sendable (Membership.Input) -> Void
    ) throws {
        let (life, node) = (life, setup.node)
        let layout = try setup.plan.layout
        let clock = MachineClock(
            kilohertz: UInt64(setup.plan.resources[0].timestampKilohertz), kernelKilohertz: setup.kernelKilohertz.map { UInt64($0) }, offset: 0 &- setup.plan.clockOrigin)
        let targets = layout.processors(ofNode: node).map { InterruptRouter.LocalTarget(id: $0.apicID) }
        let signals = targets.map(\.signal)
        let router = InterruptRouter(
            layout: layout, node: node, local: targets,
            forward: { node, message in control.send(.interrupt(message), to: node) })
        let timers = TimerThread(signals)
        let devices = DeviceRoom(
            map: try setup.plan.addressMap, node: node, layout: layout, console: node == 0 ? setup.console : nil, control: control, life: life,
            route: { if !life.isOver { router.route($0) } }, onPower: { report($0 == .reset ? .guestReset : .guestPoweredOff) })
        let room = ProcessorRoom(
            clock: clock, node: node, life: life, router: router, timers: timers, devices: devices, signals: signals, control: control,
            stopped: { processor, reason in
                switch reason {
                case .tripleFault: report(.guestReset)
                case .outOfMemory(let why): report(.outOfMemory(why: "processor \(processor): \(why)"))
                case .failure(let why): report(.failed(why: "processor \(processor): \(why)"))
                }
            }, userSpaceReached: { report(.userSpaceReached) }, say: setup.log)
        let memory = try GuestMemory(size: layout.memoryEnd.rawValue)
        try memory.attach(to: machine, ranges: Self.slots(layout))
        guestMemory = GuestMemoryAccess(memory: memory, ram: Self.slots(layout), life: life)
        processors = try Self.makeProcessors(setup, layout: layout, machine: machine, targets: targets, environment: room)
        loop = try Self.makeLoop(
            setup, layout: layout, machine: machine, memory: memory, channels: coherence, processors: signals, interrupted: interrupted,
            onLoss: { lost, why in report(NodeIndex(lost) == node ? .failed(why: "\(why)") : why.input(NodeIndex(lost))) },
            onFailure: { report($0.isOutOfMemory ? .outOfMemory(why: "\($0)") : .failed(why: "\($0)")) })
        (self.setup, self.layout, self.clock, self.control, self.watch) = (setup, layout, clock, control, watch)
        (self.router, self.timers, self.devices, self.room) = (router, timers, devices, room)
        stepper = ClockStepper(clock, signals)
    }

    // MARK: Life

    /// Starts the loop and every processor's thread; application processors wait for their start-up IPI.
    package func start(guest: GuestSource?) throws {
        if let guest { try load(guest) }
        loopThread = SystemThread("vsmp-coherence") { [loop] in loop.run() }
        threads.append(SystemThread("vsmp-timers") { [timers] in timers.run() })
        threads.append(SystemThread("vsmp-clock") { [stepper] in stepper.run() })
        devices.start()
        running.store(processors.count, ordering: .sequentiallyConsistent)
        for processor in processors {
            threads.append(
                SystemThread("vsmp-cpu\(processor.id)") { [self] in
                    processor.run()
                    running.subtract(1, ordering: .sequentiallyConsistent)
                    collected.unpark()
                })
        }
    }

    package var isOver: Bool { life.isOver }

    /// Rounds of the coherence thread, while it runs.
    var progress: [String: UInt64] { loop.isRunning ? ["vsmp-coherence": loop.progress.count] : [:] }

    /// Marks the machine dead: every later exit of a processor is discarded, and every page that one waits for is filled. Any thread.
    package func stop() {
        guard life.end() else { return }
        for processor in processors { processor.signal.kick() }
        loop.drain()
    }

    /// Collects the processors: kicked, and every page they wait for filled with zeroes that nobody will read. The
    /// userfaultfd stays open until they are gone (closing it would let the guest run on with wrong contents).
    /// - Returns: whether all came back in time.
    package func collect() -> Bool {
        let deadline = monotonicNow() + 1_500_000_000
        while running.load(ordering: .sequentiallyConsistent) > 0, monotonicNow() < deadline {
            for processor in processors { processor.signal.kick() }
            collected.park(timeout: 50_000_000)
        }
        return running.load(ordering: .sequentiallyConsistent) == 0
    }

    /// Ends the remaining threads. The machine can be let go afterwards. A processor's thread that did not come back ends with the process;
    /// waiting for it would hang this board.
    package func finish() {
        guard running.load(ordering: .sequentiallyConsistent) == 0 else { return }
        timers.stop()
        stepper.stop()
        devices.stop()
        for thread in threads { thread.join() }
        loop.quit()
        loopThread?.join()
        threads = []
    }

    // MARK: Other nodes

    /// The coherence connection with `peer` goes on over another stream.
    func adopt(_ next: EstablishedStream, for peer: NodeIndex) { loop.adopt(next, for: NodeID(of: peer)) }

    func take(_ message: InterruptMessage, from node: NodeIndex) throws(PeerViolation) {
        if !life.isOver { try router.accept(message, from: node) }
    }

    func take(_ destination: LogicalDestination, of processor: APICID, from node: NodeIndex) throws(PeerViolation) {
        try router.update(processor, destination, from: node)
    }

    func take(_ request: DeviceRequest, from node: NodeIndex) throws(PeerViolation) { if !life.isOver { try devices.take(request, from: node) } }

    func take(_ reply: DeviceReply, from node: NodeIndex) throws(PeerViolation) { try devices.answered(reply, by: node) }

    func takeTimestampMove(_ ticks: UInt64, from node: NodeIndex) throws(PeerViolation) {
        if !life.isOver { try room.takeTimestampMove(ticks, from: node, of: setup.plan.resources.count) }
    }

    // MARK: Figures

    /// Goes over to other coherence policies; the next report has them.
    package func use(_ policies: PolicySet) { loop.use(policies) }

    /// Gives the guest clock another course.
    /// - Parameter roundTrip: ticks of the quickest exchange with node 0.
    func steer(roundTrip: Int64, _ change: (ClockCourse) -> ClockCourse) { stepper.steer(roundTrip: roundTrip, change) }

    package func record(_ figures: ClockFigures) { skew.withLock { $0 = figures } }

    /// Waits for the coherence loop, up to 2 s; the figures of one that does not run yet are left out.
    package func report() -> NodeReport {
        var report = NodeReport(node: setup.node, resources: setup.plan.resources[node: setup.node])
        report.take(watch.account, control: control.counters)
        for processor in processors { processor.requestReport() }
        let snapshot = loop.isRunning ? loop.snapshot() : nil
        let now = monotonicNow()
        report.processors = processors.map { $0.report(now: now) }
        if let snapshot { report.take(snapshot) }
        report.uptimeNanoseconds = monotonicNow() - startTime
        report["interrupts_forwarded"] = router.forwardedCount
        report["device_accesses_forwarded"] = devices.forwardedCount
        report["device_accesses_unclaimed"] = devices.unclaimedCount
        report["device_queue_high_water"] = devices.queueHighWater
        report["guest_output_dropped"] = devices.droppedOutput
        report["console_lines_dropped"] = setup.droppedLines()
        report["exits"] = processors.reduce(0) { $0 + $1.exitCount }
        report["bytes"] += control.bytes
        let skew = skew.withLock { $0 }
        report["clock_skew_ns"] = skew.bound
        report["clock_round_trip_ns"] = skew.roundTrip
        return report
    }
}
