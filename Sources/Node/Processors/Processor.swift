import Platform
import Interconnect
package import Machine
import Synchronization

/// What a processor needs of the rest of its node.
package protocol ProcessorEnvironment: AnyObject, Sendable {
    /// The machine is over: every later exit is discarded.
    var isDead: Bool { get }
    var clock: MachineClock { get }
    func route(_ message: InterruptMessage)
    func publish(_ destination: LogicalDestination, of processor: APICID)
    func endOfInterrupt(_ vector: Vector)
    func read(_ access: DeviceAccess) -> UInt64
    func write(_ access: DeviceAccess, _ value: UInt64)
    /// A guest's write moved its time-stamp counter by `ticks`: every processor of the machine follows.
    func moveTimestamp(by ticks: UInt64)
    func setTimer(_ processor: Int, _ deadline: UInt64)
    /// The guest gave up (triple fault), or KVM did.
    func processorStopped(_ processor: APICID, _ reason: ProcessorStop)
    /// Some processor of this node has run user space: nobody need look any more.
    var isUserSpaceReached: Bool { get }
    /// This processor runs user space.
    func reachUserSpace()
    func log(_ text: String)
}

package enum ProcessorStop: Sendable {
    case tripleFault
    /// KVM got no memory for its own tables.
    case outOfMemory(String)
    case failure(String)
}

/// One virtual processor and its thread: runs guest code by its back end, answers exits, takes interrupts. Generic, so that
/// nothing on the way of an exit is an existential.
// SAFETY: unchecked because `apic`, `backend` and what is private and changes belong to the processor's thread, before its start to who makes it.
package final class Processor<Backend: ProcessorBackend & ~Copyable, Environment: ProcessorEnvironment>: @unchecked Sendable {
    /// Position among this node's processors.
    package let index: Int
    package let id: APICID
    package let signal: ProcessorSignal
    package let mailbox: InterruptMailbox
    private let apic: LocalAPIC
    private var backend: Backend
    private let environment: Environment
    private var state: ProcessorReport.State
    private var timerSet = UInt64.max
    private var clockGeneration: UInt32 = 0
    private var isWindowRequested = false
    private var looksForUserSpace = true
    /// An event was given to KVM since the last entry: a vector, which a second would overwrite, or a fault that ends an
    /// instruction, which would come first and make KVM forget the vector. What the run page says about readiness is from
    /// before.
    private var hasQueuedEvent = false
    private var unknownRegisters: Set<UInt32> = []
    private let exits = Atomic<UInt64>(0)
    private let isReportWanted = Atomic<Bool>(false)
    private let latestReport: Mutex<(report: ProcessorReport, at: UInt64)>

    private let signature: UInt32

    /// - Parameters:
    ///   - target: where others leave this processor's interrupts and kicks.
    ///   - signature: EAX of CPUID leaf 1.
    ///   - startsInX2APIC: some processor of the machine has an id that no xAPIC can have.
    package init(
        index: Int, target: InterruptRouter.LocalTarget, isBootstrap: Bool, signature: UInt32 = 0, startsInX2APIC: Bool = false,
        backend: consuming Backend, environment: Environment
    ) {
        self.index = index
        let id = target.mailbox.id
        self.id = id
        signal = target.signal
        mailbox = target.mailbox
        apic = LocalAPIC(id: id, isBootstrap: isBootstrap, startsInX2APIC: startsInX2APIC, mailbox: mailbox)
        self.signature = signature
        self.backend = backend
        self.environment = environment
        state = isBootstrap ? .running : .waitingForStartup
        latestReport = Mutex((ProcessorReport(id: id), monotonicNow()))
    }

    package var exitCount: UInt64 { exits.load(ordering: .relaxed) }

    /// Asks the processor's thread to say what it does; `report` has it soon, unless the processor waits inside KVM.
    func requestReport() {
        isReportWanted.store(true, ordering: .sequentiallyConsistent)
        signal.kick()
    }

    /// What the processor said last.
    func report(now: UInt64) -> ProcessorReport {
        var (report, at) = latestReport.withLock { $0 }
        report.age = now - min(at, now)
        return report
    }

    /// Prepares the processor before its thread starts.
    package func configure(_ body: (borrowing Backend) throws(Backend.Failure) -> Void) throws(Backend.Failure) {
        try body(backend)
    }

    /// Runs without waiting for a start-up IPI (flat guests).
    func startImmediately() { state = .running }

    /// The thread's whole life: until the machine is dead.
    package func run() {
        signal.bind()
        backend.bindToThread()
        do throws(Backend.Failure) {
            try backend.setAPICBase(apic.base)
            while !environment.isDead { try step() }
        } catch {
            let isOutOfMemory = (error as? SystemError)?.isOutOfMemory ?? false
            environment.processorStopped(id, isOutOfMemory ? .outOfMemory("\(error)") : .failure("\(error)"))
        }
    }

    // MARK: One turn

    private func step() throws(Backend.Failure) {
        let now = monotonicNow()
        let deadline = timerDeadline(now: now)
        if deadline <= now { apic.advance(now: now, tsc: environment.clock.guestTimestamp) }
        if mailbox.hasSignals { try takeSignals() }
        if isReportWanted.load(ordering: .acquiring) { makeReport(now: now, deadline: deadline) }
        switch state {
        case .waitingForStartup:
            signal.sleep(timeout: nil)
        case .halted where !apic.wakesHaltedProcessor:
            let next = timerDeadline(now: now)
            signal.sleep(timeout: next == .max ? nil : next - min(next, monotonicNow()))
        case .halted, .running:
            state = .running
            try applyClock()
            try offerInterrupt()
            setTimer(timerDeadline(now: now), now: now)
            guard signal.willEnterGuest() else { return }
            let exit = try backend.enter()
            hasQueuedEvent = false
            signal.didLeaveGuest()
            exits.wrappingAdd(1, ordering: .relaxed)
            guard !environment.isDead else { return }
            followAPICBase()
            handle(exit)
        }
    }

    private func makeReport(now: UInt64, deadline: UInt64) {
        isReportWanted.store(false, ordering: .relaxed)
        var report = ProcessorReport(id: id)
        report.state = state
        report.instructionPointer = backend.instructionPointer ?? 0
        report.priority = apic.processorPriority
        report.requested = apic.requestedVectors
        report.inService = apic.vectorsInService
        report.timer = deadline == .max ? nil : deadline - min(deadline, now)
        report.exits = exitCount
        latestReport.withLock { $0 = (report, now) }
    }

    private func timerDeadline(now: UInt64) -> UInt64 {
        switch apic.timerDeadline {
        case .none: .max
        case .nanoseconds(let at): max(at, signal.pacing.earliest)
        case .tsc(let timestamp): max(environment.clock.monotonic(atGuestTimestamp: timestamp, now: now), signal.pacing.earliest)
        }
    }

    /// TSC deadlines are recomputed each time, so a difference of microseconds is no new deadline; but one that has passed
    /// has been used up, and must be set again when the counter says that it came a little early.
    private func setTimer(_ deadline: UInt64, now: UInt64) {
        let difference = deadline > timerSet ? deadline - timerSet : timerSet - deadline
        guard difference > 20_000 || timerSet <= now || (deadline == .max) != (timerSet == .max) else { return }
        timerSet = deadline
        environment.setTimer(index, deadline)
    }

    private func applyClock() throws(Backend.Failure) {
        let generation = environment.clock.generation
        guard generation != clockGeneration else { return }
        try backend.setTimestampOffset(environment.clock.offset)
        clockGeneration = generation
    }

    private func takeSignals() throws(Backend.Failure) {
        let signals = mailbox.takeSignals()
        if signals.initialize {
            apic.reset()
            state = .waitingForStartup
            timerSet = .max
            environment.setTimer(index, .max)
        }
        if let vector = signals.startup, state == .waitingForStartup {
            try backend.setState(ProcessorState(.realMode(startup: vector, signature: signature), apicBase: apic.base))
            state = .running
        }
        if signals.nmi, state != .waitingForStartup {
            try backend.injectNMI()
            state = .running
        }
    }

    private func offerInterrupt() throws(Backend.Failure) {
        backend.taskPriorityClass = apic.cr8
        guard let vector = apic.pendingInterrupt() else {
            requestWindow(false)
            return
        }
        guard !hasQueuedEvent, backend.canTakeInterrupt else {
            requestWindow(true)
            return
        }
        try backend.inject(vector: vector.rawValue)
        hasQueuedEvent = true
        if vector == apic.timerVector { signal.pacing.delivered(now: monotonicNow()) }
        apic.acknowledge(vector)
        requestWindow(apic.pendingInterrupt() != nil)
    }

    private func requestWindow(_ on: Bool) {
        guard on != isWindowRequested else { return }
        isWindowRequested = on
        backend.requestInterruptWindow(on)
    }

    private func followAPICBase() {
        let base = backend.apicBase
        if base != apic.base { perform(apic.setBase(base)) }
        apic.cr8 = backend.taskPriorityClass
    }

    private func perform(_ effect: LocalAPIC.Effect) {
        switch effect {
        case .none, .fault: break
        case .send(let message): environment.route(message)
        case .endOfInterrupt(let vector): environment.endOfInterrupt(vector)
        case .logicalDestination(let destination): environment.publish(destination, of: id)
        }
    }

    // MARK: Exits

    private func handle(_ exit: ProcessorExit) {
        switch exit {
        // These come at any instruction, so they sample the level; until user space is seen once, and at no cost after it.
        case .kicked, .interruptWindow: if looksForUserSpace { lookForUserSpace() }
        case .taskPriority: break
        case .halt: state = .halted
        case .portRead(let port, let size, let count): readPort(port, size: size, count: count)
        case .portWrite(let port, let size, let count): writePort(port, size: size, count: count)
        case .memoryRead(let address, let size): readMemory(address, size: size)
        case .memoryWrite(let address, let size, let value): writeMemory(address, size: size, value: value)
        case .registerRead(let msr): readRegister(msr)
        case .registerWrite(let msr, let value): writeRegister(msr, value)
        case .shutdown: environment.processorStopped(id, .tripleFault)
        case .failed(let reason, let detail): stop(reason: reason, detail: detail)
        }
    }

    private func lookForUserSpace() {
        if !environment.isUserSpaceReached, backend.isInUserMode { environment.reachUserSpace() }
        looksForUserSpace = !environment.isUserSpaceReached
    }

    private func stop(reason: UInt32, detail: UInt64) {
        let place = backend.instructionPointer.map { "at RIP 0x\(String($0, radix: 16))" } ?? ""
        environment.processorStopped(id, .failure("exit reason \(reason), detail \(detail) \(place)"))
    }

    private func readPort(_ port: UInt16, size: Int, count: Int) {
        for repetition in 0..<count {
            let value = environment.read(DeviceAccess(space: .port, address: UInt64(port), size: size))
            for byte in 0..<size {
                backend.setPortByte(repetition * size + byte, UInt8(truncatingIfNeeded: value >> UInt64(byte * 8)))
            }
        }
    }

    private func writePort(_ port: UInt16, size: Int, count: Int) {
        for repetition in 0..<count {
            var value: UInt64 = 0
            for byte in 0..<size { value |= UInt64(backend.portByte(repetition * size + byte)) << UInt64(byte * 8) }
            environment.write(DeviceAccess(space: .port, address: UInt64(port), size: size), value)
        }
    }

    private var localAPICPage: UInt64 { MachineLayout.localAPICBase.rawValue }

    private func readMemory(_ address: UInt64, size: Int) {
        if address >> 12 == localAPICPage >> 12 {
            let value = apic.readMMIO(offset: UInt32(address & 0xfff), now: monotonicNow())
            backend.completeMemoryRead(UInt64(value), size: size)
        } else {
            backend.completeMemoryRead(environment.read(DeviceAccess(space: .memory, address: address, size: size)), size: size)
        }
    }

    private func writeMemory(_ address: UInt64, size: Int, value: UInt64) {
        if address >> 12 == localAPICPage >> 12 {
            perform(
                apic.writeMMIO(offset: UInt32(address & 0xfff), value: UInt32(truncatingIfNeeded: value), now: monotonicNow()))
        } else {
            environment.write(DeviceAccess(space: .memory, address: address, size: size), value)
        }
    }

    // MARK: Model-specific registers

    private static var timestampCounter: UInt32 { 0x10 }

    private func readRegister(_ msr: UInt32) {
        switch msr {
        case Self.timestampCounter: backend.completeRegister(environment.clock.guestTimestamp, fault: false)
        case _ where LocalAPIC.owns(msr: msr):
            guard let value = apic.readMSR(msr, now: monotonicNow()) else { return faultRegister() }
            backend.completeRegister(value, fault: false)
        default: unknown(msr, "read")
        }
    }

    private func writeRegister(_ msr: UInt32, _ value: UInt64) {
        switch msr {
        case Self.timestampCounter:
            environment.moveTimestamp(by: value &- environment.clock.guestTimestamp)
            backend.completeRegister(0, fault: false)
        case _ where LocalAPIC.owns(msr: msr):
            let effect = apic.writeMSR(msr, value, now: monotonicNow())
            if effect == .fault { faultRegister() } else { backend.completeRegister(0, fault: false) }
            perform(effect)
        default: unknown(msr, "write")
        }
    }

    private func faultRegister() {
        backend.completeRegister(0, fault: true)
        hasQueuedEvent = true
    }

    /// As hardware does: a general-protection fault. Said once a register.
    private func unknown(_ msr: UInt32, _ what: String) {
        faultRegister()
        if unknownRegisters.insert(msr).inserted {
            environment.log("processor \(id): \(what) of unknown MSR 0x\(String(msr, radix: 16)) raised #GP")
        }
    }
}
