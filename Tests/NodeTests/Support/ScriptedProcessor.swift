import Machine
import Platform
import Synchronization

@testable import Node

/// A processor back end that plays a script of exits and keeps what it was told. No /dev/kvm, no guest.
struct ScriptedProcessor: ~Copyable, ProcessorBackend {
    struct Failure: Error, Equatable {}

    enum Step: Sendable {
        case exit(ProcessorExit)
        /// Interrupt flag and readiness from here on, then the exit.
        case ready(Bool, ProcessorExit)
        /// Privilege level 3 from here on, then the exit.
        case inUserMode(ProcessorExit)
        case fail
        /// Runs guest code until kicked.
        case runUntilKicked
    }

    enum Event: Equatable, Sendable {
        case bound
        case entered(rip: UInt64?)
        case port([UInt8])
        case memory(UInt64, size: Int)
        case register(UInt64, fault: Bool)
        case window(Bool)
        case injected(UInt8)
        case nmi
        case apicBase(UInt64)
        case started(rip: UInt64, segment: UInt16)
        case offset(UInt64)
    }

    final class Script: Sendable {
        struct State {
            var steps: [Step]
            var events: [Event] = []
            var canTakeInterrupt = false
            var isInUserMode = false
            /// How often the level was asked for.
            var levelQuestions = 0
            var portBytes = [UInt8](repeating: 0, count: 8)
            var apicBase: UInt64 = 0
            var priority: UInt64 = 0
        }

        let state: Mutex<State>
        let kicks = Parker()

        init(_ steps: [Step]) { state = Mutex(State(steps: steps)) }

        func note(_ event: Event) { state.withLock { $0.events.append(event) } }
        /// What the back end was told, without entries.
        var events: [Event] {
            state.withLock { $0.events.filter { if case .entered = $0 { false } else { true } } }
        }
    }

    let script: Script

    init(_ script: Script) { self.script = script }

    func bindToThread() { script.note(.bound) }

    mutating func enter() throws(Failure) -> ProcessorExit {
        script.note(.entered(rip: nil))
        let step = script.state.withLock { $0.steps.isEmpty ? .runUntilKicked : $0.steps.removeFirst() }
        switch step {
        case .exit(let exit): return exit
        case .ready(let ready, let exit):
            script.state.withLock { $0.canTakeInterrupt = ready }
            return exit
        case .inUserMode(let exit):
            script.state.withLock { $0.isInUserMode = true }
            return exit
        case .fail: throw Failure()
        case .runUntilKicked:
            script.kicks.park(timeout: 100_000_000)
            return .kicked
        }
    }

    static func kick(thread: Int32) {}

    func portByte(_ index: Int) -> UInt8 { script.state.withLock { $0.portBytes[index] } }

    func setPortByte(_ index: Int, _ value: UInt8) {
        script.state.withLock { state in
            state.portBytes[index] = value
            state.events.append(.port(Array(state.portBytes[0...index])))
        }
    }

    func completeMemoryRead(_ value: UInt64, size: Int) { script.note(.memory(value, size: size)) }
    func completeRegister(_ value: UInt64, fault: Bool) { script.note(.register(value, fault: fault)) }
    var canTakeInterrupt: Bool { script.state.withLock { $0.canTakeInterrupt } }
    func requestInterruptWindow(_ on: Bool) { script.note(.window(on)) }
    func inject(vector: UInt8) throws(Failure) { script.note(.injected(vector)) }
    func injectNMI() throws(Failure) { script.note(.nmi) }
    var apicBase: UInt64 { script.state.withLock { $0.apicBase } }

    func setAPICBase(_ base: UInt64) throws(Failure) {
        script.state.withLock { $0.apicBase = base }
        script.note(.apicBase(base))
    }

    var taskPriorityClass: UInt64 {
        get { script.state.withLock { $0.priority } }
        nonmutating set { script.state.withLock { $0.priority = newValue } }
    }

    var instructionPointer: UInt64? { nil }

    var isInUserMode: Bool {
        script.state.withLock { state in
            state.levelQuestions += 1
            return state.isInUserMode
        }
    }

    func state() throws(Failure) -> ProcessorState {
        ProcessorState(.flat(pageTables: 0, ring: 0, instruction: 0, stack: 0), apicBase: apicBase)
    }

    func setState(_ state: ProcessorState) throws(Failure) { script.note(.started(rip: state.rip, segment: state.cs.selector)) }
    func setTimestampOffset(_ offset: UInt64) throws(Failure) { script.note(.offset(offset)) }
}

/// The rest of a node as a scripted processor sees it.
final class ScriptedEnvironment: ProcessorEnvironment {
    struct Seen: Sendable {
        var routed: [InterruptMessage] = []
        var ended: [Vector] = []
        var reads: [DeviceAccess] = []
        var writes: [(access: DeviceAccess, value: UInt64)] = []
        var stops: [String] = []
        var lines: [String] = []
        var userSpaceSightings = 0
        var moved: [UInt64] = []
    }

    let clock = MachineClock(kilohertz: 1_000_000, offset: 7)
    let seen = Mutex(Seen())
    private let dead = Atomic<Bool>(false)

    var isDead: Bool { dead.load(ordering: .sequentiallyConsistent) }
    func end() { dead.store(true, ordering: .sequentiallyConsistent) }
    func route(_ message: InterruptMessage) { seen.withLock { $0.routed.append(message) } }
    func publish(_ destination: LogicalDestination, of processor: APICID) {}
    func endOfInterrupt(_ vector: Vector) { seen.withLock { $0.ended.append(vector) } }

    /// Every register reads 0x8877665544332211, as wide as asked.
    func read(_ access: DeviceAccess) -> UInt64 {
        seen.withLock { $0.reads.append(access) }
        return 0x8877_6655_4433_2211 & access.ones
    }

    func write(_ access: DeviceAccess, _ value: UInt64) { seen.withLock { $0.writes.append((access, value)) } }
    func moveTimestamp(by ticks: UInt64) { seen.withLock { $0.moved.append(ticks) } }
    func setTimer(_ processor: Int, _ deadline: UInt64) {}

    var isUserSpaceReached: Bool { seen.withLock { $0.userSpaceSightings > 0 } }
    func reachUserSpace() { seen.withLock { $0.userSpaceSightings += 1 } }

    func processorStopped(_ processor: APICID, _ reason: ProcessorStop) {
        seen.withLock { seen in
            switch reason {
            case .tripleFault: seen.stops.append("triple fault")
            case .outOfMemory(let why), .failure(let why): seen.stops.append(why)
            }
        }
        end()
    }

    func log(_ text: String) { seen.withLock { $0.lines.append(text) } }
}
