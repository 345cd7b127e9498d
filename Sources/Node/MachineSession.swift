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
    let processors: [Processor]
    let loop: CoherenceLoop<Connection>
    private let life = MachineLife()
    private let router: InterruptRouter
    private let timers: TimerThread
    private let devices: DeviceRoom
    private let room: ProcessorRoom
    private let control: ControlPlane
    private let running = Atomic<Int>(0)
    private let collected = Parker()
    private var loopThread: SystemThread?
    private var threads: [SystemThread] = []
    private let startTime = monotonicNow()
    private let skew = Mutex((bound: UInt64(0), roundTrip: UInt64(0)))

    /// Builds memory, processors and the coherence loop. Nothing runs yet.
    /// - Parameter report: hears what ends the machine, on whichever thread it happens; must not block.
    package init(
        _ setup: Setup, machine: VirtualMachine, control: ControlPlane, coherence: [PageChannel<Connection>?], report: @escaping @Sendable (Incident) -> Void
    ) throws {
        let (life, node) = (life, setup.node)
        let layout = try setup.plan.layout
        let clock = MachineClock(kilohertz: UInt64(setup.plan.resources[0].timestampKilohertz), offset: 0 &- setup.plan.clockOrigin)
        let targets = layout.processors(ofNode: node).map { InterruptRouter.LocalTarget(id: $0.apicID) }
        let signals = targets.map(\.signal)
        let router = InterruptRouter(
            layout: layout, node: node, local: targets,
            forward: { node, message in control.send(to: UInt8(node), .interrupt, [0] + message.encoded()) })
        let timers = TimerThread(signals)
        let devices = DeviceRoom(
            map: try setup.plan.addressMap, node: node, layout: layout, console: node == 0 ? setup.console : nil, control: control, life: life,
            route: { if !life.isOver { router.route($0) } }, onPower: { report($0 == .reset ? .guestReset : .guestPoweredOff) })
        let room = ProcessorRoom(
            clock: clock, life: life, router: router, timers: timers, devices: devices, signals: signals, control: control,
            stopped: { processor, reason in
                switch reason {
                case .tripleFault: report(.guestReset)
                case .failure(let why): report(.failed(why: "processor \(processor): \(why)"))
                }
            }, say: setup.log)
        let memory = try GuestMemory(size: layout.memoryEnd.rawValue)
        try memory.attach(to: machine, ranges: Self.slots(layout))
        processors = try Self.makeProcessors(setup, layout: layout, machine: machine, targets: targets, environment: room)
        loop = try Self.makeLoop(
            setup, layout: layout, machine: machine, memory: memory, channels: coherence, processors: signals,
            onLoss: { lost, why in report(lost.rawValue == node ? .failed(why: why) : .lost(node: Int(lost.rawValue), why: why)) })
        (self.setup, self.layout, self.clock, self.control) = (setup, layout, clock, control)
        (self.router, self.timers, self.devices, self.room) = (router, timers, devices, room)
    }

    // MARK: Life

    /// Starts the loop and every processor's thread; application processors wait for their start-up IPI.
    package func start(guest: GuestSource?) throws {
        if let guest { try load(guest) }
        loopThread = SystemThread("vsmp-coherence") { [loop] in loop.run() }
        threads.append(SystemThread("vsmp-timers") { [timers] in timers.run() })
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

    /// Ends the remaining threads. The machine can be let go afterwards.
    package func finish() {
        timers.stop()
        devices.stop()
        for thread in threads { thread.join() }
        loop.quit()
        loopThread?.join()
        threads = []
    }

    // MARK: Control frames

    /// Handles what concerns the running machine; false: not this session's business.
    package func handle(_ frame: ControlFrame) -> Bool {
        switch frame.kind {
        case .interrupt: takeInterrupt(frame)
        case .deviceRequest: if let request = try? DeviceRequest(decoding: frame.body) { devices.take(request, from: frame.from) }
        case .deviceReply: if let reply = try? DeviceReply(decoding: frame.body) { devices.answered(reply) }
        case .timeStampCounter:
            var reader = ByteReader(frame.body)
            if let ticks = try? reader.take(UInt64.self) { room.takeTimestampMove(ticks) }
        default: return false
        }
        return true
    }

    private func takeInterrupt(_ frame: ControlFrame) {
        guard !life.isOver else { return }
        switch frame.body.first {
        case 0: if let message = try? InterruptMessage(decoding: frame.body.dropFirst()) { router.accept(message) }
        case 1:
            var reader = ByteReader(Array(frame.body.dropFirst()))
            if let id = try? reader.take(UInt32.self), let raw = try? reader.take(UInt64.self),
                let destination = LogicalDestination(rawValue: raw)
            {
                router.update(APICID(id), destination)
            }
        default: break
        }
    }

    // MARK: Figures

    /// Goes over to other coherence policies; the next report has them.
    package func use(_ policies: PolicySet) { loop.use(policies) }

    package func recordSkew(bound: UInt64, roundTrip: UInt64) { skew.withLock { $0 = (bound, roundTrip) } }

    /// - Parameter waits: whether to wait for a loop that does not run yet; else its figures are left out.
    package func report(waits: Bool = true) -> NodeReport {
        var report = NodeReport(node: setup.node, resources: setup.plan.resources[setup.node])
        for processor in processors { processor.requestReport() }
        let snapshot = waits || loop.isRunning ? loop.snapshot() : nil
        let now = monotonicNow()
        report.processors = processors.map { $0.report(now: now) }
        if let snapshot { report.take(snapshot) }
        report.uptimeNanoseconds = monotonicNow() - startTime
        report["interrupts_forwarded"] = router.forwardedCount
        report["device_accesses_forwarded"] = devices.forwardedCount
        report["device_accesses_unclaimed"] = devices.unclaimedCount
        report["exits"] = processors.reduce(0) { $0 + $1.exitCount }
        report["bytes"] += control.bytes
        let skew = skew.withLock { $0 }
        report["clock_skew_ns"] = skew.bound
        report["clock_round_trip_ns"] = skew.roundTrip
        return report
    }
}
