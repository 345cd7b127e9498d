import Bytes
import Platform
package import Coherence
package import KVM
import Interconnect
package import Machine
import Synchronization

/// This node's part of one machine, from plan to end: memory, processors, devices (on node 0) and the threads that run them.
package final class MachineSession: ProcessorEnvironment, @unchecked Sendable {
    package struct Setup {
        package var node: Int
        package var plan: MachinePlan
        package var policies: PolicySet
        /// Nanoseconds; see EngineConfiguration.
        package var minimumHold: UInt64
        package var pageTime: UInt64
        /// This node's KVM shadows guest page tables: forget shadows of pages that leave.
        package var forgetsShadows: Bool
        package var console: GuestConsole
        /// What the guest is told of the machine's maker.
        package var identity: MachineIdentity
        package var log: @Sendable (String) -> Void

        package init(
            node: Int, plan: MachinePlan, policies: PolicySet, minimumHold: UInt64, pageTime: UInt64, forgetsShadows: Bool, console: GuestConsole,
            identity: MachineIdentity = MachineIdentity(), log: @escaping @Sendable (String) -> Void
        ) {
            self.node = node
            self.plan = plan
            self.policies = policies
            self.minimumHold = minimumHold
            self.pageTime = pageTime
            self.forgetsShadows = forgetsShadows
            self.console = console
            self.identity = identity
            self.log = log
        }
    }

    package let setup: Setup
    package let layout: MachineLayout
    package let clock: MachineClock
    package let memory: GuestMemory
    private let machine: VirtualMachine
    private let control: ControlPlane
    private var processors: [Processor] = []
    private var router: InterruptRouter!
    private var loop: CoherenceLoop!
    private var timers: TimerThread!
    private var chipset: ChipsetHost?
    private var forwarder: DeviceForwarder!
    private let forwardedAccesses = Atomic<UInt64>(0)
    private let dead = Atomic<Bool>(false)
    private let running = Atomic<Int>(0)
    private let collected = Parker()
    private let ending = Mutex<MachineEnd?>(nil)
    private let ended = Parker()
    private var loopThread: PlatformThread?
    private var threads: [PlatformThread] = []
    private let startTime = monotonicNow()
    private let skew = Mutex((bound: UInt64(0), roundTrip: UInt64(0)))

    /// Builds memory, processors and the coherence loop. Nothing runs yet but the loop, which serves other nodes.
    package init(
        _ setup: Setup, machine: VirtualMachine, control: ControlPlane, coherence: [CoherenceLink?]
    ) throws {
        self.setup = setup
        self.machine = machine
        self.control = control
        layout = try setup.plan.layout
        clock = MachineClock(kilohertz: UInt64(setup.plan.resources[0].timestampKilohertz), offset: 0 &- setup.plan.clockOrigin)
        memory = try GuestMemory(size: layout.memoryEnd.rawValue)
        try memory.attach(to: machine, ranges: Self.slots(layout))
        for (index, processor) in layout.processors(ofNode: setup.node).enumerated() {
            let vcpu = try VirtualProcessor(machine, id: processor.apicID.rawValue)
            let table = setup.plan.cpuid.machineTable(
                layout: layout, apicID: processor.apicID, tscKHz: UInt64(setup.plan.resources[0].timestampKilohertz))
            try vcpu.setCPUID(table.kvmEntries)
            for register in ProcessorStart.initialMSRs { try vcpu.setRegister(msr: register.index, register.value) }
            processors.append(
                Processor(
                    index: index, id: processor.apicID, isBootstrap: processor.index == 0, vcpu: vcpu, environment: self))
        }
        try makeParts(coherence)
    }

    /// One slot per contiguous run of RAM.
    private static func slots(_ layout: MachineLayout) -> [Range<UInt64>] {
        var runs: [Range<UInt64>] = []
        for range in layout.memory {
            if let last = runs.last, last.upperBound == range.start.rawValue {
                runs[runs.count - 1] = last.lowerBound..<range.end.rawValue
            } else {
                runs.append(range.start.rawValue..<range.end.rawValue)
            }
        }
        return runs
    }

    private func makeParts(_ coherence: [CoherenceLink?]) throws {
        let control = control
        router = InterruptRouter(
            layout: layout, node: setup.node,
            local: processors.map { InterruptRouter.LocalTarget(mailbox: $0.mailbox, signal: $0.signal) },
            forward: { node, message in control.send(to: UInt8(node), .interrupt, [0] + message.encoded()) })
        timers = TimerThread(processors.map(\.signal))
        forwarder = DeviceForwarder { control.send(to: 0, .deviceRequest, $0) }
        let homes = try HomeMap(
            layout.memory.map {
                HomeMap.Range(
                    first: PageNumber(UInt32($0.pages.lowerBound)), count: UInt32($0.pages.count), home: NodeID(UInt8($0.node)))
            })
        var configuration = EngineConfiguration(
            node: NodeID(UInt8(setup.node)), nodeCount: setup.plan.resources.count, homes: homes,
            cacheLimit: setup.plan.resources[setup.node].cacheMiB << 8, minimumHold: setup.minimumHold,
            policies: setup.policies)
        configuration.pageTime = setup.pageTime
        let forgetter =
            setup.forgetsShadows && setup.plan.resources.count > 1
            ? try ShadowForgetter(machine, memorySize: memory.size, cpuid: try machine.supportedCPUID()) : nil
        if let forgetter, !forgetter.isTracing {
            setup.log("this kernel does not tell which pages are page tables: every page that leaves costs a forced emulation")
        }
        loop = try CoherenceLoop(
            configuration: configuration, memory: memory, forgetter: forgetter, links: coherence,
            processors: processors.map(\.signal),
            onLoss: { [weak self] node, why in self?.lost(Int(node.rawValue), why) }, log: setup.log)
        if setup.node == 0 {
            chipset = ChipsetHost(
                layout: layout, console: setup.console, route: { [weak self] in self?.route($0) },
                onPower: { [weak self] request in self?.end(request == .reset ? .reboot : .poweredOff) })
        }
    }

    // MARK: Life

    /// Starts the loop and every processor's thread; application processors wait for their start-up IPI.
    package func start(guest: GuestSource?) throws {
        if let guest { try load(guest) }
        loopThread = PlatformThread("vsmp-coherence") { [loop] in loop!.run() }
        threads.append(PlatformThread("vsmp-timers") { [timers] in timers!.run() })
        chipset?.start()
        running.store(processors.count, ordering: .sequentiallyConsistent)
        for processor in processors {
            threads.append(
                PlatformThread("vsmp-cpu\(processor.id)") { [self] in
                    processor.run()
                    running.subtract(1, ordering: .sequentiallyConsistent)
                    collected.unpark()
                })
        }
    }

    private func load(_ guest: GuestSource) throws {
        switch guest {
        case .linux(let kernel, let initialFileSystem, let commandLine):
            try loadLinux(kernel: kernel, initialFileSystem: initialFileSystem, commandLine: commandLine)
        case .flat(let flat): try loadFlat(flat)
        }
    }

    /// Writes bytes at guest-physical addresses, page by page, into pages of this home that nobody has touched.
    func populate(_ chunks: [(address: UInt64, bytes: ArraySlice<UInt8>)]) throws {
        var writer = PagePopulator()
        for chunk in chunks { try writer.write(chunk.bytes, at: chunk.address, to: loop) }
        try writer.flush(to: loop)
    }

    func configureBootstrap(_ body: (borrowing VirtualProcessor) throws(SystemError) -> Void) throws {
        try processors[0].configure(body)
    }

    private func loadFlat(_ flat: FlatGuest) throws {
        if setup.node == 0 { try populate(flat.chunks.map { ($0.address, $0.bytes[...]) }) }
        for (processor, description) in zip(processors, layout.processors(ofNode: setup.node)) {
            let entry = flat.entries[description.index]
            try processor.configure { (vcpu: borrowing VirtualProcessor) throws(SystemError) in
                try vcpu.enterLongMode(pageTables: flat.pageTables, ring: flat.ring)
                try vcpu.setEntry(instruction: entry.rip, stack: entry.rsp, flags: flat.ring == 3 ? 0x3002 : 2)
            }
            processor.startImmediately()
        }
    }

    /// Waits until the machine ends.
    package func waitForEnd() -> MachineEnd {
        while true {
            if let end = ending.withLock({ $0 }) { return end }
            ended.park(timeout: 1_000_000_000)
        }
    }

    /// The first end counts. Every later exit of a processor is discarded.
    package func end(_ end: MachineEnd) {
        let isFirst = ending.withLock { ending in
            defer { if ending == nil { ending = end } }
            return ending == nil
        }
        guard isFirst else { return }
        dead.store(true, ordering: .sequentiallyConsistent)
        for processor in processors { processor.signal.kick() }
        loop.drain()
        ended.unpark()
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
        chipset?.stop()
        for thread in threads { thread.join() }
        loop.quit()
        loopThread?.join()
        threads = []
    }

    private func lost(_ node: Int, _ why: String) {
        if node == setup.node {
            end(.failed(node: node, why: why))
        } else {
            end(.lost(node: node, why: why))
        }
    }

    // MARK: Control frames

    /// Handles what concerns the running machine; false: not this session's business.
    package func handle(_ frame: ControlFrame) -> Bool {
        switch frame.kind {
        case .interrupt: takeInterrupt(frame)
        case .deviceRequest: takeDeviceRequest(frame)
        case .deviceReply:
            var reader = ByteReader(frame.body)
            if let sequence = try? reader.take(UInt32.self), let value = try? reader.take(UInt64.self) {
                forwarder.answered(sequence, value)
            }
        case .timeStampCounter:
            var reader = ByteReader(frame.body)
            if let ticks = try? reader.take(UInt64.self) { applyTimestampMove(ticks) }
        default: return false
        }
        return true
    }

    private func takeInterrupt(_ frame: ControlFrame) {
        guard !isDead else { return }
        switch frame.body.first {
        case 0: if let message = try? InterruptMessage(decoding: frame.body.dropFirst()) { router.accept(message) }
        case 1 where frame.body.count == 2: chipset?.endOfInterrupt(Vector(frame.body[1]))
        case 2:
            var reader = ByteReader(Array(frame.body.dropFirst()))
            if let id = try? reader.take(UInt32.self), let raw = try? reader.take(UInt64.self),
                let destination = LogicalDestination(rawValue: raw)
            {
                router.update(APICID(id), destination)
            }
        default: break
        }
    }

    private func takeDeviceRequest(_ frame: ControlFrame) {
        guard let chipset, let request = try? DeviceRequest(decoding: frame.body) else { return }
        var answer: UInt64 = 0
        if let value = request.value { chipset.write(request.access, value) } else { answer = chipset.read(request.access) }
        var writer = ByteWriter()
        writer.put(request.sequence)
        writer.put(answer)
        control.send(to: frame.from, .deviceReply, writer.bytes)
    }

    // MARK: ProcessorEnvironment

    package var isDead: Bool { dead.load(ordering: .sequentiallyConsistent) }

    package func route(_ message: InterruptMessage) {
        guard !isDead else { return }
        router.route(message)
    }

    package func publish(_ destination: LogicalDestination, of processor: APICID) {
        router.update(processor, destination)
        var writer = ByteWriter()
        writer.put(UInt8(2))
        writer.put(processor.rawValue)
        writer.put(destination.rawValue)
        control.broadcast(.interrupt, writer.bytes)
    }

    package func endOfInterrupt(_ vector: Vector) {
        if let chipset { chipset.endOfInterrupt(vector) } else { control.send(to: 0, .interrupt, [1, vector.rawValue]) }
    }

    package func read(_ access: DeviceAccess) -> UInt64 {
        if let chipset { return chipset.read(access) }
        forwardedAccesses.wrappingAdd(1, ordering: .relaxed)
        return forwarder.perform(access, write: nil) { isDead }
    }

    package func write(_ access: DeviceAccess, _ value: UInt64) {
        if let chipset { return chipset.write(access, value) }
        forwardedAccesses.wrappingAdd(1, ordering: .relaxed)
        _ = forwarder.perform(access, write: value) { isDead }
    }

    package func moveTimestamp(by ticks: UInt64) {
        applyTimestampMove(ticks)
        var writer = ByteWriter()
        writer.put(ticks)
        control.broadcast(.timeStampCounter, writer.bytes)
    }

    private func applyTimestampMove(_ ticks: UInt64) {
        clock.advance(by: ticks)
        for processor in processors { processor.signal.kick() }
    }

    package func setTimer(_ processor: Int, _ deadline: UInt64) { timers.set(processor, deadline) }

    package func processorStopped(_ processor: APICID, _ reason: ProcessorStop) {
        switch reason {
        case .tripleFault: end(.reboot)
        case .failure(let why): end(.failed(node: setup.node, why: "processor \(processor): \(why)"))
        }
    }

    package func log(_ text: String) { setup.log(text) }

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
        report["device_accesses_forwarded"] = forwardedAccesses.load(ordering: .relaxed)
        report["exits"] = processors.reduce(0) { $0 + $1.exitCount }
        report["bytes"] += control.bytes
        let skew = skew.withLock { $0 }
        report["clock_skew_ns"] = skew.bound
        report["clock_round_trip_ns"] = skew.roundTrip
        return report
    }
}
