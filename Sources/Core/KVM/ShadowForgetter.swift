package import Platform
import CKVM
package import Machine
import Glibc
package import Pages

/// Makes KVM drop the shadow page tables it built from guest pages that this node drops.
///
/// With `kvm_amd npt=0` KVM shadows guest page tables, and no flush the guest can issue repairs a shadow once another
/// node has changed the table. A helper vCPU in KVM's second (system-management) address space, whose memory is
/// scratch, executes a forced-emulation one-byte write to each frame (`kvm.force_emulation_prefix=1`). KVM's write
/// tracking goes by frame number, so the shadow goes and guest RAM is untouched. Intel's EPT needs none of this.
///
/// The byte is one inside a page-table entry. KVM drops a whole shadow page for a write that no processor makes to a page
/// table; a byte at an entry's start it takes for a change of the entry's flags, and drops that one entry only
/// (`detect_write_misaligned` in Linux's arch/x86/kvm/mmu/mmu.c).
// SAFETY: both mappings live as long as this value; every address given to the helper is inside `scratch`.
@safe
package final class ShadowForgetter {
    private var helper: VirtualProcessor
    private let scratch: UnsafeMutableRawPointer
    private let scratchSize: Int
    private let control: UnsafeMutableRawPointer
    private let controlSize: Int
    private let controlAddress: UInt64
    private var trace: ShadowTrace?
    private var dirtyScratchPages = 0
    private var suspects: [PageNumber] = []
    package private(set) var forgotten: UInt64 = 0
    package private(set) var spared: UInt64 = 0
    package private(set) var lostTraceRecords = 0
    /// The kernel tells which pages are page tables; otherwise every page is treated as one.
    package let isTracing: Bool

    private static let batch = 512
    /// Where in the page the helper writes.
    private static let insideEntry: UInt64 = 1
    private static let listOffset = 0x4000
    private static let tablesOffset = 0x8000

    /// Scratch covers the guest's `memorySize` bytes. `tracing` false treats every page as a page table.
    package init(_ machine: VirtualMachine, memorySize: UInt64, cpuid: CPUIDTable, tracing: Bool = true) throws(SystemError) {
        let gibibyte: UInt64 = 1 << 30
        let span = (memorySize + gibibyte - 1) / gibibyte * gibibyte
        let directories = Int(span / gibibyte) + 1
        controlSize = Self.tablesOffset + (2 + directories) * 4096
        controlAddress = span
        scratchSize = Int(memorySize)
        unsafe scratch = try Self.reserve(scratchSize)
        unsafe control = try Self.reserve(controlSize)
        let trace = tracing ? ShadowTrace(pages: Int(memorySize) / PageNumber.size) : nil
        switch trace {
        case .none: isTracing = false
        case .some: isTracing = true
        }
        self.trace = trace
        helper = try VirtualProcessor(machine, id: machine.processorIDLimit - 1)
        try helper.setCPUID(cpuid)
        try unsafe machine.map(addressSpace: 1, slot: 0, address: 0, size: memorySize, host: scratch)
        try unsafe machine.map(addressSpace: 1, slot: 1, address: controlAddress, size: UInt64(controlSize), host: control)
        writeProgram(directories: directories)
        try helper.enterSystemManagementMode()
        try enterLongMode()
    }

    deinit {
        unsafe munmap(scratch, scratchSize)
        unsafe munmap(control, controlSize)
    }

    /// Forgets every shadow made from these pages. Call after the pages are gone and before saying so to anyone.
    package func forget(_ pages: [PageNumber]) throws(SystemError) {
        suspects.removeAll(keepingCapacity: true)
        suspects.append(contentsOf: pages)
        if let lost = trace?.takeSuspects(&suspects) { lostTraceRecords = lost }
        spared &+= UInt64(pages.count - suspects.count)
        var next = 0
        while next < suspects.count {
            let count = min(Self.batch, suspects.count - next)
            for index in 0..<count {
                let address = suspects[next + index].address + Self.insideEntry
                precondition(address < UInt64(scratchSize))
                unsafe control.storeBytes(of: address, toByteOffset: Self.listOffset + index * 8, as: UInt64.self)
            }
            try runHelper(count: count)
            next += count
        }
        forgotten &+= UInt64(suspects.count)
    }

    private func runHelper(count: Int) throws(SystemError) {
        var regs = kvm_regs()
        regs.rip = controlAddress
        regs.rsp = controlAddress + 0x3000
        regs.rflags = 2
        regs.rsi = controlAddress + UInt64(Self.listOffset)
        regs.rcx = UInt64(count)
        try helper.setRegisters(regs)
        while true {
            switch try helper.enter() {
            case .portWrite:
                dirtyScratchPages += count
                if dirtyScratchPages > 2048 {
                    unsafe madvise(scratch, scratchSize, MADV_DONTNEED)
                    dirtyScratchPages = 0
                }
                return
            case .kicked: continue
            case .failed(let reason, let detail):
                throw SystemError("helper vCPU exit \(reason)/\(detail)", on: "forced emulation (kvm.force_emulation_prefix=1?)", code: EIO)
            default:
                throw SystemError("helper vCPU's unexpected exit", on: "forgetting shadows", code: EIO)
            }
        }
    }

    private static func reserve(_ size: Int) throws(SystemError) -> UnsafeMutableRawPointer {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let mapping = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0), unsafe mapping != MAP_FAILED else {
            throw SystemError("mmap of \(size >> 20) MiB", on: "helper vCPU's scratch memory", code: errno)
        }
        return unsafe mapping
    }

    /// lodsq; mov %rax,%rdi; ud2 "kvm" movb %al,(%rdi); dec %ecx; jnz -15; outb %al,%dx; jmp . — and identity tables of 2 MiB pages.
    private func writeProgram(directories: Int) {
        let code: [UInt8] = [
            0x48, 0xad,
            0x48, 0x89, 0xc7,
            0x0f, 0x0b, 0x6b, 0x76, 0x6d, 0x88, 0x07,
            0xff, 0xc9,
            0x75, 0xf0,
            0xba, 0xf8, 0x03, 0x00, 0x00, 0xee,
            0xeb, 0xfe,
        ]
        for (index, byte) in code.enumerated() { unsafe control.storeBytes(of: byte, toByteOffset: index, as: UInt8.self) }
        let tables = controlAddress + UInt64(Self.tablesOffset)
        unsafe control.storeBytes(of: (tables + 4096) | 0x67, toByteOffset: Self.tablesOffset, as: UInt64.self)
        for directory in 0..<directories {
            let address = tables + UInt64(2 + directory) * 4096
            unsafe control.storeBytes(of: address | 0x67, toByteOffset: Self.tablesOffset + 4096 + directory * 8, as: UInt64.self)
            for entry in 0..<512 {
                let target = (UInt64(directory) * 512 + UInt64(entry)) << 21
                unsafe control.storeBytes(
                    of: target | 0xe7, toByteOffset: Self.tablesOffset + (2 + directory) * 4096 + entry * 8, as: UInt64.self)
            }
        }
    }

    private func enterLongMode() throws(SystemError) {
        try helper.enterLongMode(pageTables: controlAddress + UInt64(Self.tablesOffset))
    }
}

extension VirtualProcessor {
    /// Flat 64-bit mode at privilege level `ring` with the given page tables; no GDT or IDT is set.
    package func enterLongMode(pageTables: UInt64, ring: UInt8 = 0) throws(SystemError) {
        try setState(ProcessorState(.flat(pageTables: pageTables, ring: ring, instruction: 0, stack: 0), apicBase: apicBase))
    }
}
