/// A processor's general and system registers (Intel SDM volume 3, chapter 2).
package struct ProcessorState: Sendable, Equatable {
    package typealias Segment = ProcessorStart.Segment
    package typealias DescriptorTable = ProcessorStart.DescriptorTable

    /// RAX, RBX, RCX, RDX, RSI, RDI, RSP, RBP, then R8 to R15.
    package struct General: Sendable, Equatable {
        package var rax: UInt64 = 0, rbx: UInt64 = 0, rcx: UInt64 = 0, rdx: UInt64 = 0
        package var rsi: UInt64 = 0, rdi: UInt64 = 0, rsp: UInt64 = 0, rbp: UInt64 = 0
        package var r8: UInt64 = 0, r9: UInt64 = 0, r10: UInt64 = 0, r11: UInt64 = 0
        package var r12: UInt64 = 0, r13: UInt64 = 0, r14: UInt64 = 0, r15: UInt64 = 0

        package init() {}
    }

    package var general = General()
    package var rip: UInt64
    package var rflags: UInt64
    package var cr0: UInt64
    package var cr2: UInt64 = 0
    package var cr3: UInt64
    package var cr4: UInt64
    package var cr8: UInt64 = 0
    package var efer: UInt64
    package var apicBase: UInt64
    package var cs: Segment
    package var ds: Segment
    package var es: Segment
    package var fs: Segment
    package var gs: Segment
    package var ss: Segment
    package var task: Segment
    package var local: Segment
    package var gdt: DescriptorTable
    package var idt: DescriptorTable

    /// A processor about to start.
    package init(_ start: ProcessorStart, apicBase: UInt64) {
        (rip, rflags, cr0, cr3, cr4, efer) = (start.rip, start.rflags, start.cr0, start.cr3, start.cr4, start.efer)
        (general.rsi, general.rdx, general.rsp) = (start.rsi, start.rdx, start.rsp)
        self.apicBase = apicBase
        cs = start.code
        (ds, es, fs, gs, ss) = (start.data, start.data, start.data, start.data, start.data)
        (task, local, gdt, idt) = (start.task, start.local, start.gdt, start.idt)
    }
}
