import CKVM
package import Machine
package import Platform

extension VirtualProcessor {
    package func state() throws(SystemError) -> ProcessorState {
        ProcessorState(registers: try registers(), system: try systemRegisters())
    }

    package func setState(_ state: ProcessorState) throws(SystemError) {
        var sregs = try systemRegisters()
        (sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4, sregs.cr8) = (state.cr0, state.cr2, state.cr3, state.cr4, state.cr8)
        (sregs.efer, sregs.apic_base) = (state.efer, state.apicBase)
        sregs.cs = kvm_segment(state.cs)
        sregs.ds = kvm_segment(state.ds)
        sregs.es = kvm_segment(state.es)
        sregs.fs = kvm_segment(state.fs)
        sregs.gs = kvm_segment(state.gs)
        sregs.ss = kvm_segment(state.ss)
        sregs.tr = kvm_segment(state.task)
        sregs.ldt = kvm_segment(state.local)
        (sregs.gdt.base, sregs.gdt.limit) = (state.gdt.base, state.gdt.limit)
        (sregs.idt.base, sregs.idt.limit) = (state.idt.base, state.idt.limit)
        // What KVM keeps of an injected vector belongs to the state before.
        sregs.interrupt_bitmap = (0, 0, 0, 0)
        try setSystemRegisters(sregs)
        var regs = kvm_regs()
        let general = state.general
        (regs.rax, regs.rbx, regs.rcx, regs.rdx) = (general.rax, general.rbx, general.rcx, general.rdx)
        (regs.rsi, regs.rdi, regs.rsp, regs.rbp) = (general.rsi, general.rdi, general.rsp, general.rbp)
        (regs.r8, regs.r9, regs.r10, regs.r11) = (general.r8, general.r9, general.r10, general.r11)
        (regs.r12, regs.r13, regs.r14, regs.r15) = (general.r12, general.r13, general.r14, general.r15)
        (regs.rip, regs.rflags) = (state.rip, state.rflags)
        try setRegisters(regs)
    }
}

extension ProcessorState {
    fileprivate init(registers regs: kvm_regs, system sregs: kvm_sregs) {
        let data = Segment(sregs.ds)
        self.init(
            ProcessorStart(
                rip: regs.rip, rsi: regs.rsi, rdx: regs.rdx, rsp: regs.rsp, rflags: regs.rflags, cr0: sregs.cr0, cr3: sregs.cr3, cr4: sregs.cr4,
                efer: sregs.efer, code: Segment(sregs.cs), data: data, task: Segment(sregs.tr), local: Segment(sregs.ldt),
                gdt: DescriptorTable(base: sregs.gdt.base, limit: sregs.gdt.limit),
                idt: DescriptorTable(base: sregs.idt.base, limit: sregs.idt.limit)), apicBase: sregs.apic_base)
        (es, fs, gs, ss) = (Segment(sregs.es), Segment(sregs.fs), Segment(sregs.gs), Segment(sregs.ss))
        (cr2, cr8) = (sregs.cr2, sregs.cr8)
        (general.rax, general.rbx, general.rcx, general.rdi, general.rbp) = (regs.rax, regs.rbx, regs.rcx, regs.rdi, regs.rbp)
        (general.r8, general.r9, general.r10, general.r11) = (regs.r8, regs.r9, regs.r10, regs.r11)
        (general.r12, general.r13, general.r14, general.r15) = (regs.r12, regs.r13, regs.r14, regs.r15)
    }
}

extension ProcessorStart.Segment {
    fileprivate init(_ raw: kvm_segment) {
        self.init(
            selector: raw.selector, base: raw.base, limit: raw.limit, type: raw.type, privilege: raw.dpl, isCodeOrData: raw.s != 0,
            isLong: raw.l != 0, is32Bit: raw.db != 0, granular: raw.g != 0, isPresent: raw.present != 0)
    }
}

extension kvm_segment {
    fileprivate init(_ segment: ProcessorStart.Segment) {
        self.init()
        base = segment.base
        limit = segment.limit
        selector = segment.selector
        type = segment.type
        dpl = segment.privilege
        present = segment.isPresent ? 1 : 0
        unusable = segment.isPresent ? 0 : 1
        s = segment.isCodeOrData ? 1 : 0
        l = segment.isLong ? 1 : 0
        db = segment.is32Bit ? 1 : 0
        g = segment.granular ? 1 : 0
    }
}
