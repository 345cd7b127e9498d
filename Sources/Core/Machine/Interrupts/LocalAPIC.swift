/// The local APIC of one virtual processor (Intel SDM volume 3, chapter 11), in xAPIC or x2APIC mode. Owned by the
/// processor's thread; others reach it through `mailbox` only.
///
/// The processor's loop: before each entry `advance(now:tsc:)` when `timerDeadline` has passed, act on
/// `mailbox.takeSignals()`, then, if the guest accepts interrupts, inject `pendingInterrupt()` and `acknowledge` it.
package final class LocalAPIC {
    package enum Mode: Sendable { case disabled, xAPIC, x2APIC }

    /// What a register write asks of the caller.
    package enum Effect: Equatable, Sendable {
        case none
        /// Route this message.
        case send(InterruptMessage)
        /// Tell the I/O APIC that a level-triggered interrupt ended.
        case endOfInterrupt(Vector)
        /// The processor's logical id changed: tell the destination resolver of every node.
        case logicalDestination(LogicalDestination)
        /// The guest gets a general-protection fault.
        case fault
    }

    /// When the timer wants `advance` to be called.
    package enum TimerDeadline: Equatable, Sendable {
        /// Nanoseconds of the `now` that register accesses were given.
        case nanoseconds(UInt64)
        /// A value of the guest's time stamp counter.
        case tsc(UInt64)
    }

    package let id: APICID
    package let mailbox: InterruptMailbox

    /// IA32_APIC_BASE: bit 8 bootstrap processor, 10 x2APIC, 11 enabled.
    package internal(set) var base: UInt64
    var request = VectorSet()
    var service = VectorSet()
    var triggerMode = VectorSet()
    /// The TPR: interrupts of this priority class and below wait.
    var taskPriority: UInt8 = 0
    var spurious: UInt32 = 0xFF
    var logicalRegister: UInt32 = 0
    var formatRegister: UInt32 = 0xFFFF_FFFF
    var errorStatus: UInt32 = 0
    var pendingErrors: UInt32 = 0
    var commandLow: UInt32 = 0
    var commandHigh: UInt32 = 0
    var localVectors = [UInt32](repeating: LocalVector.mask, count: LocalVector.allCases.count)
    var timer = APICTimer()

    /// - Parameter startsInX2APIC: as firmware hands over a machine with ids from 255 up, which Linux otherwise drops.
    package init(
        id: APICID, isBootstrap: Bool, startsInX2APIC: Bool = false, mailbox: InterruptMailbox? = nil
    ) {
        self.id = id
        self.mailbox = mailbox ?? InterruptMailbox(id: id)
        precondition(self.mailbox.id == id, "a mailbox of another processor")
        base = MachineLayout.localAPICBase.rawValue | APICBase.enabled | (isBootstrap ? APICBase.bootstrap : 0)
        if startsInX2APIC { base |= APICBase.x2APIC }
        publishLogicalDestination()
    }

    package var mode: Mode {
        guard base & APICBase.enabled != 0 else { return .disabled }
        return base & APICBase.x2APIC != 0 ? .x2APIC : .xAPIC
    }

    /// Enabled both by IA32_APIC_BASE and by the spurious vector register.
    package var acceptsInterrupts: Bool { mode != .disabled && spurious & 0x100 != 0 }

    /// Task priority in CR8 units (bits 7:4 of the TPR), as kvm_run exchanges it.
    package var cr8: UInt64 {
        get { UInt64(taskPriority >> 4) }
        set { taskPriority = UInt8(truncatingIfNeeded: newValue & 0xF) << 4 }
    }

    /// Processor priority: the higher class of task priority and the interrupt in service.
    package var processorPriority: UInt8 {
        let inService = service.highest?.rawValue ?? 0
        return taskPriority & 0xF0 >= inService & 0xF0 ? taskPriority : inService & 0xF0
    }

    /// Vectors requested and not yet injected.
    package var requestedVectors: VectorSet {
        drainMailbox()
        return request
    }

    /// Vectors injected whose handlers have not ended them.
    package var vectorsInService: VectorSet { service }

    /// The vector to inject now, if any has a higher priority class than the processor's.
    package func pendingInterrupt() -> Vector? {
        drainMailbox()
        guard acceptsInterrupts, let vector = request.highest, vector.priorityClass > processorPriority >> 4 else {
            return nil
        }
        return vector
    }

    /// Moves a vector that was injected from requested to in service.
    package func acknowledge(_ vector: Vector) {
        request.remove(vector)
        service.insert(vector)
    }

    /// Whether a halted processor has to run again: an interrupt it would take, or a signal.
    package var wakesHaltedProcessor: Bool { mailbox.hasSignals || pendingInterrupt() != nil }

    /// INIT: every register but the id, the base and the mode returns to its reset value.
    package func reset() {
        request = VectorSet()
        service = VectorSet()
        triggerMode = VectorSet()
        for word in 0..<4 { _ = mailbox.take(word: word) }
        taskPriority = 0
        spurious = 0xFF
        logicalRegister = 0
        formatRegister = 0xFFFF_FFFF
        errorStatus = 0
        pendingErrors = 0
        commandLow = 0
        commandHigh = 0
        for i in localVectors.indices { localVectors[i] = LocalVector.mask }
        timer = APICTimer()
        publishLogicalDestination()
    }

    /// Applies a guest's write of IA32_APIC_BASE (MSR 0x1B, also the base that KVM reports after an exit).
    /// Illegal transitions fault (SDM volume 3, figure 11-27).
    package func setBase(_ value: UInt64) -> Effect {
        let states = APICBase.enabled | APICBase.x2APIC
        let address = MachineLayout.localAPICBase.rawValue
        // The registers do not move: no guest relocates them, and a second window would have to be routed.
        guard value & ~(states | APICBase.bootstrap) == address else { return .fault }
        let old = base & states
        let new = value & states
        if new == old { return .none }
        if new == APICBase.x2APIC { return .fault }
        if old == states, new == APICBase.enabled { return .fault }
        if old == 0, new == states { return .fault }
        base = (base & APICBase.bootstrap) | address | new
        if new == 0 { reset() }
        publishLogicalDestination()
        return .logicalDestination(mailbox.logicalDestination)
    }

    func drainMailbox() {
        guard mailbox.hasWork else { return }
        for word in 0..<4 {
            let (requested, level) = mailbox.take(word: word)
            // A software-disabled APIC takes no fixed interrupts (SDM volume 3, 11.4.7.2).
            guard requested != 0, acceptsInterrupts else { continue }
            request[word: word] |= requested
            triggerMode[word: word] = (triggerMode[word: word] & ~requested) | level
        }
    }

    /// Requests an interrupt of the processor's own, from its own thread.
    func request(_ vector: Vector) {
        guard acceptsInterrupts else { return }
        guard vector.rawValue >= 16 else {
            recordError(APICError.receivedIllegalVector)
            return
        }
        request.insert(vector)
        triggerMode.remove(vector)
    }

    func recordError(_ bit: UInt32) {
        guard pendingErrors & bit == 0 else { return }
        pendingErrors |= bit
        let local = localVectors[LocalVector.error.rawValue]
        let vector = Vector(UInt8(truncatingIfNeeded: local))
        if local & LocalVector.mask == 0, vector.rawValue >= 16, acceptsInterrupts { request.insert(vector) }
    }

    func publishLogicalDestination() {
        mailbox.logicalDestination =
            switch mode {
            case .disabled: LogicalDestination(.disabled)
            case .x2APIC: LogicalDestination(.x2APIC, id: id.logicalX2APIC)
            case .xAPIC:
                LogicalDestination(formatRegister >> 28 == 0xF ? .flat : .cluster, id: logicalRegister >> 24)
            }
    }
}

enum APICBase {
    static let bootstrap: UInt64 = 1 << 8
    static let x2APIC: UInt64 = 1 << 10
    static let enabled: UInt64 = 1 << 11
}

/// Bits of the error status register.
enum APICError {
    static let sendIllegalVector: UInt32 = 1 << 5
    static let receivedIllegalVector: UInt32 = 1 << 6
    static let illegalRegister: UInt32 = 1 << 7
}

/// The local vector table, in register order from 0x320.
enum LocalVector: Int, CaseIterable {
    case timer, thermal, performance, lint0, lint1, error

    static let mask: UInt32 = 1 << 16

    var writableBits: UInt32 {
        switch self {
        case .timer: 0x7_00FF
        case .thermal, .performance: 0x1_07FF
        case .lint0, .lint1: 0x1_A7FF
        case .error: 0x1_00FF
        }
    }
}
