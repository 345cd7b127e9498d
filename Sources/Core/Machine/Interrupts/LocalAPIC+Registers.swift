/// Register numbers: the x2APIC MSR minus 0x800, the xAPIC offset divided by 16 (SDM volume 3, table 11-6).
enum APICRegister {
    static let id: UInt32 = 0x02
    static let version: UInt32 = 0x03
    static let taskPriority: UInt32 = 0x08
    static let arbitrationPriority: UInt32 = 0x09
    static let processorPriority: UInt32 = 0x0A
    static let endOfInterrupt: UInt32 = 0x0B
    static let logicalDestination: UInt32 = 0x0D
    static let destinationFormat: UInt32 = 0x0E
    static let spurious: UInt32 = 0x0F
    static let service: ClosedRange<UInt32> = 0x10...0x17
    static let triggerMode: ClosedRange<UInt32> = 0x18...0x1F
    static let request: ClosedRange<UInt32> = 0x20...0x27
    static let errorStatus: UInt32 = 0x28
    static let commandLow: UInt32 = 0x30
    static let commandHigh: UInt32 = 0x31
    static let localVectors: ClosedRange<UInt32> = 0x32...0x37
    static let initialCount: UInt32 = 0x38
    static let currentCount: UInt32 = 0x39
    static let divide: UInt32 = 0x3E
    static let selfIPI: UInt32 = 0x3F

    /// Version 0x14 of an integrated APIC; six local vectors.
    static let versionValue: UInt32 = 0x0005_0014
}

/// IA32_TSC_DEADLINE.
let tscDeadlineMSR: UInt32 = 0x6E0
let apicBaseMSR: UInt32 = 0x1B

extension LocalAPIC {
    /// Whether `readMSR` and `writeMSR` know this MSR.
    package static func owns(msr: UInt32) -> Bool {
        (0x800...0x8FF).contains(msr) || msr == tscDeadlineMSR || msr == apicBaseMSR
    }

    /// - Parameter now: nanoseconds; only differences matter.
    /// - Returns: nil when the guest gets a general-protection fault.
    package func readMSR(_ index: UInt32, now: UInt64) -> UInt64? {
        if index == tscDeadlineMSR { return timer.tscDeadline ?? 0 }
        if index == apicBaseMSR { return base }
        guard mode == .x2APIC, (0x800...0x8FF).contains(index) else { return nil }
        let register = index - 0x800
        switch register {
        case APICRegister.id: return UInt64(id.rawValue)
        case APICRegister.logicalDestination: return UInt64(id.logicalX2APIC)
        case APICRegister.commandLow: return UInt64(commandHigh) << 32 | UInt64(commandLow)
        case APICRegister.destinationFormat, APICRegister.commandHigh, APICRegister.endOfInterrupt,
            APICRegister.selfIPI, APICRegister.arbitrationPriority:
            return nil
        default: return read(register, now: now).map(UInt64.init)
        }
    }

    package func writeMSR(_ index: UInt32, _ value: UInt64, now: UInt64) -> Effect {
        if index == tscDeadlineMSR {
            timer.setTSCDeadline(value)
            return .none
        }
        if index == apicBaseMSR { return setBase(value) }
        guard mode == .x2APIC, (0x800...0x8FF).contains(index) else { return .fault }
        let register = index - 0x800
        if register == APICRegister.commandLow {
            commandLow = UInt32(truncatingIfNeeded: value) & ~0x1000
            commandHigh = UInt32(value >> 32)
            return sendCommand()
        }
        guard value >> 32 == 0 else { return .fault }
        let low = UInt32(value)
        switch register {
        case APICRegister.logicalDestination, APICRegister.destinationFormat, APICRegister.commandHigh: return .fault
        case APICRegister.selfIPI:
            guard low <= 0xFF else { return .fault }
            requestSelf(Vector(UInt8(low)))
            return .none
        case APICRegister.endOfInterrupt, APICRegister.errorStatus:
            guard low == 0 else { return .fault }
            return write(register, low, now: now) ?? .fault
        case APICRegister.taskPriority:
            guard low <= 0xFF else { return .fault }
            return write(register, low, now: now) ?? .fault
        default: return write(register, low, now: now) ?? .fault
        }
    }

    /// - Parameter offset: into the 4 KiB page at 0xFEE00000. Registers are 32 bits wide at multiples of 16; any other
    ///   access reads zero.
    package func readMMIO(offset: UInt32, now: UInt64) -> UInt32 {
        guard mode == .xAPIC else { return 0xFFFF_FFFF }
        guard offset < 0x1000, offset & 0xF == 0 else { return 0 }
        switch offset >> 4 {
        case APICRegister.id: return id.rawValue << 24
        case APICRegister.logicalDestination: return logicalRegister
        case APICRegister.destinationFormat: return formatRegister
        case APICRegister.commandHigh: return commandHigh
        case APICRegister.endOfInterrupt: return 0
        default:
            guard let value = read(offset >> 4, now: now) else {
                recordError(APICError.illegalRegister)
                return 0
            }
            return value
        }
    }

    package func writeMMIO(offset: UInt32, value: UInt32, now: UInt64) -> Effect {
        guard mode == .xAPIC, offset < 0x1000, offset & 0xF == 0 else { return .none }
        switch offset >> 4 {
        case APICRegister.logicalDestination:
            logicalRegister = value & 0xFF00_0000
            publishLogicalDestination()
            return .logicalDestination(mailbox.logicalDestination)
        case APICRegister.destinationFormat:
            formatRegister = value | 0x0FFF_FFFF
            publishLogicalDestination()
            return .logicalDestination(mailbox.logicalDestination)
        case APICRegister.commandHigh:
            commandHigh = value & 0xFF00_0000
            return .none
        case APICRegister.commandLow:
            commandLow = value & ~0x1000
            return sendCommand()
        case APICRegister.id: return .none
        default:
            guard let effect = write(offset >> 4, value, now: now) else {
                recordError(APICError.illegalRegister)
                return .none
            }
            return effect
        }
    }

    /// Registers that read the same in both modes; nil when there is none.
    private func read(_ register: UInt32, now: UInt64) -> UInt32? {
        drainMailbox()
        switch register {
        case APICRegister.version: return APICRegister.versionValue
        case APICRegister.taskPriority: return UInt32(taskPriority)
        case APICRegister.arbitrationPriority, APICRegister.processorPriority: return UInt32(processorPriority)
        case APICRegister.spurious: return spurious
        case APICRegister.service: return service.register(Int(register - 0x10))
        case APICRegister.triggerMode: return triggerMode.register(Int(register - 0x18))
        case APICRegister.request: return request.register(Int(register - 0x20))
        case APICRegister.errorStatus: return errorStatus
        case APICRegister.commandLow: return commandLow
        case APICRegister.localVectors: return localVectors[Int(register - 0x32)]
        case APICRegister.initialCount: return timer.initialCount
        case APICRegister.currentCount: return timer.currentCount(now: now)
        case APICRegister.divide: return timer.divideRegister
        default: return nil
        }
    }

    private func write(_ register: UInt32, _ value: UInt32, now: UInt64) -> Effect? {
        switch register {
        case APICRegister.taskPriority: taskPriority = UInt8(truncatingIfNeeded: value)
        case APICRegister.endOfInterrupt: return endInterrupt()
        case APICRegister.spurious: setSpurious(value)
        case APICRegister.errorStatus:
            errorStatus = pendingErrors
            pendingErrors = 0
        case APICRegister.localVectors: setLocalVector(Int(register - 0x32), value)
        case APICRegister.initialCount: timer.start(count: value, now: now)
        case APICRegister.divide: timer.setDivide(value, now: now)
        default: return nil
        }
        return Effect.none
    }

    private func endInterrupt() -> Effect {
        drainMailbox()
        guard let vector = service.highest else { return .none }
        service.remove(vector)
        return triggerMode.contains(vector) ? .endOfInterrupt(vector) : .none
    }

    private func setSpurious(_ value: UInt32) {
        spurious = value & 0x3FF
        guard spurious & 0x100 == 0 else { return }
        for i in localVectors.indices { localVectors[i] |= LocalVector.mask }
    }

    private func setLocalVector(_ index: Int, _ value: UInt32) {
        guard let entry = LocalVector(rawValue: index) else { return }
        var new = value & entry.writableBits
        // While software-disabled the mask bits stay set.
        if spurious & 0x100 == 0 { new |= LocalVector.mask }
        localVectors[index] = new
        if entry == .timer { timer.setMode(new >> 17) }
    }

    /// Decodes the interrupt command register (SDM volume 3, figure 11-12 and 11-28).
    private func sendCommand() -> Effect {
        guard let delivery = InterruptMessage.DeliveryMode(rawValue: UInt8((commandLow >> 8) & 7)),
            let shorthand = InterruptMessage.Shorthand(rawValue: UInt8((commandLow >> 18) & 3))
        else { return .none }
        let vector = Vector(UInt8(truncatingIfNeeded: commandLow))
        if delivery == .fixed || delivery == .lowestPriority, vector.rawValue < 16 {
            recordError(APICError.sendIllegalVector)
            return .none
        }
        if shorthand == .selfOnly {
            if delivery == .fixed { request(vector) }
            return .none
        }
        let wide = mode == .x2APIC
        return .send(
            InterruptMessage(
                destination: wide ? commandHigh : commandHigh >> 24,
                destinationMode: commandLow & 0x800 != 0 ? .logical : .physical, deliveryMode: delivery,
                vector: vector,
                // Inter-processor interrupts are edge-triggered; only INIT de-assert uses the trigger bit.
                trigger: .edge, asserted: commandLow & 0xC000 != 0x8000, shorthand: shorthand, isNarrow: !wide,
                source: id))
    }

    private func requestSelf(_ vector: Vector) {
        guard vector.rawValue >= 16 else {
            recordError(APICError.sendIllegalVector)
            return
        }
        request(vector)
    }
}
