import Platform
import KVM
import Interconnect
import LoopbackCalibration
import Machine
import Node
import Synchronization

/// One guest on one processor of its own machine, which the benchmark lets run from mark to mark.
final class Guest: ProcessorEnvironment, @unchecked Sendable {
    let clock = MachineClock(kilohertz: 1_000_000, offset: 0)
    private let machine: VirtualMachine
    private let dead = Atomic<Bool>(false)
    private let marks = Atomic<Int>(0)
    private let permits = Atomic<Int>(0)
    private let failure = Mutex<String?>(nil)
    private let arrived = Parker()
    private let permitted = Parker()
    private var processors: [Processor<VirtualProcessor, Guest>] = []
    private var threads: [SystemThread] = []

    /// - Parameters:
    ///   - base: where page tables and program lie in guest memory.
    ///   - idle: further processors, which wait for a start-up IPI that never comes.
    ///   - attach: gives the machine its memory.
    init(base: UInt64, idle: Int = 0, attach: (VirtualMachine) throws -> Void) throws {
        try Kick.install()
        machine = try VirtualMachine()
        try attach(machine)
        for index in 0...idle {
            let vcpu = try VirtualProcessor(machine, id: UInt32(index))
            try vcpu.setCPUID(try machine.supportedCPUID())
            try vcpu.enterLongMode(pageTables: base + 0x1000, ring: 3)
            try vcpu.setEntry(instruction: base + GuestProgram.codeOffset, stack: base + 0x8000, flags: 0x3002)
            processors.append(
                Processor(
                    index: index, target: InterruptRouter.LocalTarget(id: APICID(UInt32(index))), isBootstrap: index == 0, backend: vcpu, environment: self))
        }
    }

    var signals: [ProcessorSignal] { processors.map(\.signal) }

    func start() {
        for processor in processors { threads.append(SystemThread("cpu\(processor.id)") { processor.run() }) }
        wait(for: 1)
    }

    /// Lets the guest run to its next mark; the nanoseconds that took.
    func run() -> UInt64 {
        let target = marks.load(ordering: .acquiring) + 1
        let begin = monotonicNow()
        permits.add(1, ordering: .releasing)
        permitted.unpark()
        wait(for: target)
        return monotonicNow() - begin
    }

    private func wait(for target: Int) {
        while marks.load(ordering: .acquiring) < target {
            if let failure = failure.withLock({ $0 }) { fail("the guest failed: \(failure)") }
            arrived.park(timeout: 100_000_000)
        }
    }

    func stop() {
        dead.store(true, ordering: .sequentiallyConsistent)
        permitted.unpark()
        for processor in processors { processor.signal.kick() }
        for thread in threads { thread.join() }
    }

    // MARK: ProcessorEnvironment

    var isUserSpaceReached: Bool { true }
    var isDead: Bool { dead.load(ordering: .sequentiallyConsistent) }

    func write(_ access: DeviceAccess, _ value: UInt64) {
        let mark = marks.add(1, ordering: .releasing).newValue
        arrived.unpark()
        while permits.load(ordering: .acquiring) < mark, !isDead { permitted.park(timeout: 1_000_000_000) }
    }

    func processorStopped(_ processor: APICID, _ reason: ProcessorStop) { failure.withLock { $0 = "\(reason)" } }
    func log(_ text: String) { failure.withLock { $0 = text } }
    func read(_ access: DeviceAccess) -> UInt64 { 0 }
    func route(_ message: InterruptMessage) {}
    func publish(_ destination: LogicalDestination, of processor: APICID) {}
    func endOfInterrupt(_ vector: Vector) {}
    func moveTimestamp(by ticks: UInt64) {}
    func setTimer(_ processor: Int, _ deadline: UInt64) {}
    func reachUserSpace() {}
}
