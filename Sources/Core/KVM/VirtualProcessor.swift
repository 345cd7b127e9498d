package import Platform
import CKVM
package import Machine
import Glibc

/// One virtual processor. Everything here is called by the one thread that runs it, except `kick`.
/// vCPU id = APIC id, unique over the whole machine.
// SAFETY: `run` points to the kvm_run mapping, made in `init` and unmapped in `deinit`; the shim bounds every access.
@safe
package struct VirtualProcessor: ~Copyable, ProcessorBackend {
    private let descriptor: FileDescriptor
    private let machine: VirtualMachine
    private let run: UnsafeMutablePointer<kvm_run>
    private var lastExit = ckvm_exit()
    package let id: UInt32

    package init(_ machine: VirtualMachine, id: UInt32) throws(SystemError) {
        let fd = FileDescriptor(owning: try checked(ckvm_create_vcpu(machine.descriptor.rawValue, id), "KVM_CREATE_VCPU", on: "vCPU \(id)"), as: "vCPU \(id)")
        let mapping = unsafe mmap(nil, machine.runSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.rawValue, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
            throw SystemError("mmap of kvm_run", on: "vCPU \(id)", code: errno)
        }
        unsafe run = mapping.assumingMemoryBound(to: kvm_run.self)
        descriptor = fd
        self.machine = machine
        self.id = id
    }

    deinit {
        unsafe munmap(run, machine.runSize)
    }

    /// Must be called on the thread that will call `enter`, before the first `enter`: kicks find the run page by thread.
    package func bindToThread() {
        unsafe ckvm_bind_run(run)
    }

    package func setCPUID(_ table: CPUIDTable) throws(SystemError) {
        let entries = table.kvmEntries
        let status = unsafe entries.withUnsafeBufferPointer { unsafe ckvm_set_cpuid(descriptor.rawValue, $0.baseAddress, UInt32($0.count)) }
        try checked(status, "KVM_SET_CPUID2", on: "vCPU \(id)")
    }

    /// Runs guest code until the next exit.
    package mutating func enter() throws(SystemError) -> ProcessorExit {
        let status = unsafe ckvm_run(descriptor.rawValue, run, &lastExit)
        if status == -EINTR || status == -EAGAIN { return .kicked }
        try checked(status, "KVM_RUN", on: "vCPU \(id)")
        return ProcessorExit(lastExit)
    }

    /// Bytes of the last port exit, written by the guest or to be read by it.
    package func portByte(_ index: Int) -> UInt8 {
        unsafe portData(index).load(as: UInt8.self)
    }

    package func setPortByte(_ index: Int, _ value: UInt8) {
        unsafe portData(index).storeBytes(of: value, as: UInt8.self)
    }

    private func portData(_ index: Int) -> UnsafeMutableRawPointer {
        precondition(index >= 0 && index < Int(lastExit.size * lastExit.count))
        return unsafe UnsafeMutableRawPointer(run) + Int(lastExit.io_offset) + index
    }

    package func completeMemoryRead(_ value: UInt64, size: Int) { unsafe ckvm_complete_mmio_read(run, value, UInt32(size)) }

    /// Ends a RDMSR or WRMSR exit; `fault` raises #GP in the guest as hardware does for an unknown MSR.
    package func completeRegister(_ value: UInt64, fault: Bool) { unsafe ckvm_complete_msr(run, value, fault) }

    // MARK: Interrupts

    /// The guest can take an external interrupt at the next entry.
    package var canTakeInterrupt: Bool { unsafe ckvm_ready_for_interrupt(run) && ckvm_interrupt_flag(run) }
    package func requestInterruptWindow(_ on: Bool) { unsafe ckvm_request_window(run, on) }

    package func inject(vector: UInt8) throws(SystemError) {
        try checked(ckvm_interrupt(descriptor.rawValue, UInt32(vector)), "KVM_INTERRUPT \(vector)", on: "vCPU \(id)")
    }

    package func injectNMI() throws(SystemError) {
        try checked(ckvm_nmi(descriptor.rawValue), "KVM_NMI", on: "vCPU \(id)")
    }

    /// IA32_APIC_BASE as of the last exit.
    package var apicBase: UInt64 { unsafe ckvm_apic_base(run) }
    package var taskPriorityClass: UInt64 {
        get { unsafe ckvm_cr8(run) }
        nonmutating set { unsafe ckvm_set_cr8(run, newValue) }
    }

    // MARK: State

    func registers() throws(SystemError) -> kvm_regs {
        var regs = kvm_regs()
        let status = unsafe ckvm_get_regs(descriptor.rawValue, &regs)
        try checked(status, "KVM_GET_REGS", on: "vCPU \(id)")
        return regs
    }

    func setRegisters(_ regs: kvm_regs) throws(SystemError) {
        let status = unsafe withUnsafePointer(to: regs) { unsafe ckvm_set_regs(descriptor.rawValue, $0) }
        try checked(status, "KVM_SET_REGS", on: "vCPU \(id)")
    }

    func systemRegisters() throws(SystemError) -> kvm_sregs {
        var sregs = kvm_sregs()
        let status = unsafe ckvm_get_sregs(descriptor.rawValue, &sregs)
        try checked(status, "KVM_GET_SREGS", on: "vCPU \(id)")
        return sregs
    }

    func setSystemRegisters(_ sregs: kvm_sregs) throws(SystemError) {
        let status = unsafe withUnsafePointer(to: sregs) { unsafe ckvm_set_sregs(descriptor.rawValue, $0) }
        try checked(status, "KVM_SET_SREGS", on: "vCPU \(id)")
    }

    /// Sets IA32_APIC_BASE. KVM starts with zero where it has no local APIC of its own.
    package func setAPICBase(_ base: UInt64) throws(SystemError) {
        var sregs = try systemRegisters()
        sregs.apic_base = base
        try setSystemRegisters(sregs)
    }

    /// Where the processor starts, with everything else in its general registers zero.
    package func setEntry(instruction: UInt64, stack: UInt64, flags: UInt64) throws(SystemError) {
        var regs = kvm_regs()
        regs.rip = instruction
        regs.rsp = stack
        regs.rflags = flags
        try setRegisters(regs)
    }

    package var instructionPointer: UInt64? { (try? registers())?.rip }

    /// With protection on, the privilege level is that of the stack segment (Intel SDM volume 3, 5.5; AMD APM volume 2, 4.9).
    package var isInUserMode: Bool {
        guard let registers = try? systemRegisters() else { return false }
        return registers.cr0 & 1 != 0 && registers.ss.dpl == 3
    }

    package func setRegister(msr: UInt32, _ value: UInt64) throws(SystemError) {
        try checked(ckvm_set_msr(descriptor.rawValue, msr, value), "KVM_SET_MSRS 0x\(String(msr, radix: 16))", on: "vCPU \(id)")
    }

    // MARK: Time

    package func timestampKilohertz() throws(SystemError) -> UInt32 {
        UInt32(try checked(ckvm_tsc_khz(descriptor.rawValue), "KVM_GET_TSC_KHZ", on: "vCPU \(id)"))
    }

    /// kHz of this computer's time-stamp counter as its processor states it; 0 where it does not.
    package static var statedTimestampKilohertz: UInt32 { ckvm_stated_tsc_khz() }

    /// Guest TSC = host TSC + offset, modulo 2^64 (KVM_VCPU_TSC_OFFSET).
    package func setTimestampOffset(_ offset: UInt64) throws(SystemError) {
        try checked(ckvm_set_tsc_offset(descriptor.rawValue, offset), "KVM_VCPU_TSC_OFFSET", on: "vCPU \(id)")
    }

    func enterSystemManagementMode() throws(SystemError) {
        try checked(ckvm_enter_smm(descriptor.rawValue), "KVM_SET_VCPU_EVENTS (SMM)", on: "vCPU \(id)")
    }
}

extension VirtualProcessor {
    package static func kick(thread: Int32) { Kick.send(to: thread) }
}

extension ProcessorExit {
    init(_ raw: ckvm_exit) {
        switch Int32(bitPattern: raw.reason) {
        case KVM_EXIT_IO where raw.is_write:
            self = .portWrite(port: raw.port, size: Int(raw.size), count: Int(raw.count))
        case KVM_EXIT_IO:
            self = .portRead(port: raw.port, size: Int(raw.size), count: Int(raw.count))
        case KVM_EXIT_MMIO where raw.is_write:
            self = .memoryWrite(address: raw.address, size: Int(raw.size), value: raw.data)
        case KVM_EXIT_MMIO:
            self = .memoryRead(address: raw.address, size: Int(raw.size))
        case KVM_EXIT_X86_RDMSR: self = .registerRead(msr: raw.msr)
        case KVM_EXIT_X86_WRMSR: self = .registerWrite(msr: raw.msr, value: raw.data)
        case KVM_EXIT_HLT: self = .halt
        case KVM_EXIT_IRQ_WINDOW_OPEN: self = .interruptWindow
        case KVM_EXIT_SET_TPR: self = .taskPriority
        case KVM_EXIT_SHUTDOWN: self = .shutdown
        case KVM_EXIT_INTR: self = .kicked
        default: self = .failed(reason: raw.reason, detail: raw.address)
        }
    }
}

/// The signal that makes a thread leave KVM_RUN, or skip the next one.
package enum Kick {
    package static func install() throws(SystemError) {
        try checked(ckvm_install_kick(), "sigaction", on: "the kick signal")
    }
    package static var currentThread: Int32 { ckvm_thread_id() }
    package static func send(to thread: Int32) { _ = ckvm_kick(thread) }
}
