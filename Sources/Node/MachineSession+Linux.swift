import Platform
import CKVM
import KVM
import Machine

extension MachineSession {
    /// Places an unmodified Linux kernel by its 64-bit boot protocol and points the bootstrap processor at it.
    func loadLinux(kernel: [UInt8], initialFileSystem: [UInt8], commandLine: String) throws {
        let image = try LinuxKernel(header: Array(kernel.prefix(LinuxKernel.headerBytes)), fileSize: UInt64(kernel.count))
        let text = GuestCommandLine.make(
            tscKHz: clock.kilohertz, ticksPerSecond: 250, operatorText: commandLine)
        let plan = try BootPlan(
            layout: layout, kernel: image, initrdSize: UInt64(initialFileSystem.count), commandLine: text,
            acpi: ACPITables(layout: layout, identity: setup.identity.acpi), smbios: SMBIOSTables(setup.identity.smbios))
        let chunks = plan.chunks.sorted { $0.address < $1.address }.map { chunk in
            switch chunk.source {
            case .bytes(let bytes): (address: chunk.address.rawValue, bytes: bytes[...])
            case .kernelFile(let offset, let size): (chunk.address.rawValue, kernel[Int(offset)..<Int(offset + size)])
            case .initrdFile(let offset, let size):
                (chunk.address.rawValue, initialFileSystem[Int(offset)..<Int(offset + size)])
            }
        }
        try populate(chunks)
        try configureBootstrap { (vcpu: borrowing VirtualProcessor) throws(SystemError) in
            try vcpu.apply(plan.bootstrap)
        }
        setup.log("guest command line: \(text)")
    }
}

extension VirtualProcessor {
    /// Puts the processor into a start state.
    func apply(_ start: ProcessorStart) throws(SystemError) {
        var sregs = try systemRegisters()
        sregs.cr0 = start.cr0
        sregs.cr3 = start.cr3
        sregs.cr4 = start.cr4
        sregs.efer = start.efer
        sregs.cs = kvm_segment(start.code)
        sregs.ds = kvm_segment(start.data)
        sregs.es = sregs.ds
        sregs.fs = sregs.ds
        sregs.gs = sregs.ds
        sregs.ss = sregs.ds
        sregs.tr = kvm_segment(start.task)
        sregs.ldt = kvm_segment(start.local)
        sregs.gdt.base = start.gdt.base
        sregs.gdt.limit = start.gdt.limit
        sregs.idt.base = start.idt.base
        sregs.idt.limit = start.idt.limit
        try setSystemRegisters(sregs)
        var regs = kvm_regs()
        regs.rip = start.rip
        regs.rsi = start.rsi
        regs.rdx = start.rdx
        regs.rflags = start.rflags
        try setRegisters(regs)
    }
}

extension kvm_segment {
    fileprivate init(_ segment: ProcessorStart.Segment) {
        self.init()
        base = segment.base
        limit = segment.limit
        selector = segment.selector
        type = segment.type
        present = segment.isPresent ? 1 : 0
        s = segment.isCodeOrData ? 1 : 0
        l = segment.isLong ? 1 : 0
        db = segment.is32Bit ? 1 : 0
        g = segment.granular ? 1 : 0
    }
}
