/// The registers with which a processor starts: the bootstrap processor in 64-bit mode at the kernel's entry, another
/// one in real mode where the start-up interrupt says. Registers not named are zero.
package struct ProcessorStart: Sendable, Equatable {
    /// A segment register with its hidden part.
    package struct Segment: Sendable, Equatable {
        package var selector: UInt16
        package var base: UInt64
        /// Bytes minus one, already scaled by the granularity.
        package var limit: UInt32
        /// Type field of the descriptor (11 = code, 3 = data, accessed; 11 busy TSS, 2 LDT for system segments).
        package var type: UInt8
        /// Descriptor privilege level.
        package var privilege: UInt8
        package var isCodeOrData: Bool
        package var isLong: Bool
        package var is32Bit: Bool
        package var granular: Bool
        package var isPresent: Bool

        package init(
            selector: UInt16, base: UInt64, limit: UInt32, type: UInt8, privilege: UInt8 = 0, isCodeOrData: Bool = true, isLong: Bool = false,
            is32Bit: Bool = false, granular: Bool = false, isPresent: Bool = true
        ) {
            self.selector = selector
            self.base = base
            self.limit = limit
            self.type = type
            self.privilege = privilege
            self.isCodeOrData = isCodeOrData
            self.isLong = isLong
            self.is32Bit = is32Bit
            self.granular = granular
            self.isPresent = isPresent
        }
    }

    package struct DescriptorTable: Sendable, Equatable {
        package var base: UInt64
        package var limit: UInt16

        package init(base: UInt64, limit: UInt16) {
            self.base = base
            self.limit = limit
        }
    }

    package var rip: UInt64
    package var rsi: UInt64
    package var rdx: UInt64
    package var rsp: UInt64
    package var rflags: UInt64
    package var cr0: UInt64
    package var cr3: UInt64
    package var cr4: UInt64
    package var efer: UInt64
    package var code: Segment
    /// DS, ES, FS, GS and SS.
    package var data: Segment
    package var task: Segment
    package var local: Segment
    package var gdt: DescriptorTable
    package var idt: DescriptorTable

    package init(
        rip: UInt64, rsi: UInt64 = 0, rdx: UInt64 = 0, rsp: UInt64 = 0, rflags: UInt64 = 2, cr0: UInt64, cr3: UInt64, cr4: UInt64, efer: UInt64,
        code: Segment, data: Segment, task: Segment, local: Segment, gdt: DescriptorTable, idt: DescriptorTable
    ) {
        (self.rip, self.rsi, self.rdx, self.rsp, self.rflags) = (rip, rsi, rdx, rsp, rflags)
        (self.cr0, self.cr3, self.cr4, self.efer) = (cr0, cr3, cr4, efer)
        (self.code, self.data, self.task, self.local, self.gdt, self.idt) = (code, data, task, local, gdt, idt)
    }

    /// Flat 64-bit code without an operating system at privilege level `ring` (Intel SDM volume 3, 10.8.5); at level 3 with access to every
    /// port. No descriptor table is set.
    package static func flat(pageTables: UInt64, ring: UInt8, instruction: UInt64, stack: UInt64) -> Self {
        let table = DescriptorTable(base: 0, limit: 0xFFFF)
        return Self(
            rip: instruction, rsp: stack, rflags: ring == 3 ? 0x3002 : 2, cr0: 0x8005_0033, cr3: pageTables,
            cr4: 0x620,  // OSXMMEXCPT, OSFXSR, PAE
            efer: 0x500,
            code: Segment(selector: 8 | UInt16(ring), base: 0, limit: .max, type: 11, privilege: ring, isLong: true, granular: true),
            data: Segment(selector: 16 | UInt16(ring), base: 0, limit: .max, type: 3, privilege: ring, is32Bit: true, granular: true),
            task: Segment(selector: 0, base: 0, limit: 0xFFFF, type: 11, isCodeOrData: false),
            local: Segment(selector: 0, base: 0, limit: 0xFFFF, type: 2, isCodeOrData: false), gdt: table, idt: table)
    }

    /// Linux's 64-bit entry: paging on with an identity map, interrupts off, flat segments at selectors 0x10 and 0x18,
    /// the address of the boot parameters in RSI.
    package static func longMode(
        entry: GuestAddress, bootParameters: GuestAddress, pageTables: GuestAddress, gdt: GuestAddress
    ) -> Self {
        Self(
            rip: entry.rawValue, rsi: bootParameters.rawValue, rdx: 0,
            cr0: 0x8005_0033,  // PG, AM, WP, NE, ET, MP, PE
            cr3: pageTables.rawValue, cr4: 0x20,  // PAE
            efer: 0x500,  // LME, LMA
            code: Segment(selector: 0x10, base: 0, limit: .max, type: 11, isLong: true, granular: true),
            data: Segment(selector: 0x18, base: 0, limit: .max, type: 3, is32Bit: true, granular: true),
            task: Segment(selector: 0, base: 0, limit: 0xFFFF, type: 11, isCodeOrData: false),
            local: Segment(selector: 0, base: 0, limit: 0xFFFF, type: 2, isCodeOrData: false),
            gdt: DescriptorTable(base: gdt.rawValue, limit: UInt16(GuestGDT.bytes.count - 1)),
            idt: DescriptorTable(base: 0, limit: 0))
    }

    /// After INIT and a start-up interrupt with this vector: real mode at vector x 4096 (SDM volume 3, table 10-1).
    /// - Parameter signature: EAX of CPUID leaf 1, which reset leaves in EDX.
    package static func realMode(startup vector: Vector, signature: UInt32) -> Self {
        let system = Segment(selector: 0, base: 0, limit: 0xFFFF, type: 11, isCodeOrData: false)
        var local = system
        local.type = 2
        let table = DescriptorTable(base: 0, limit: 0xFFFF)
        return Self(
            rip: 0, rsi: 0, rdx: UInt64(signature), cr0: 0x6000_0010, cr3: 0, cr4: 0, efer: 0,
            code: Segment(
                selector: UInt16(vector.rawValue) << 8, base: UInt64(vector.rawValue) << 12, limit: 0xFFFF, type: 11),
            data: Segment(selector: 0, base: 0, limit: 0xFFFF, type: 3), task: system, local: local, gdt: table,
            idt: table)
    }

    /// Model-specific registers that every processor starts with, as index and value: IA32_MTRR_DEF_TYPE enabled with
    /// write-back (else Linux takes MTRR and with it PAT for disabled) and fast strings in IA32_MISC_ENABLE.
    package static let initialMSRs: [(index: UInt32, value: UInt64)] = [(0x2FF, 0x806), (0x1A0, 1)]
}

enum GuestGDT {
    /// Null, unused, 64-bit code, data.
    static let entries: [UInt64] = [0, 0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF]
    static let bytes = entries.flatMap { ByteWriter.littleEndian($0) }
}
