import Contract

/// What the machine's processors answer: the nodes' intersection, minus what needs state in one node's kernel or
/// hardware, plus the machine's own topology.
extension CPUIDTable {
    /// KVM's feature word (CPUID 0x40000001) and hints: only what holds across nodes. PV_UNHALT together with the
    /// realtime hint selects queued spinlocks; clock, async faults, steal time and PV EOI share pages with one host.
    private enum KVMFeature {
        static let pvUnhalt: UInt32 = 1 << 7
        /// 15-bit destinations of device interrupts, offered when some ids do not fit eight bits.
        static let extendedDestinations: UInt32 = 1 << 15
        static let hintRealtime: UInt32 = 1 << 0
    }

    private enum Hidden {
        /// DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, CNXT-ID, SDBG, PDCM, DCA, OSXSAVE (KVM follows CR4).
        static let leaf1ecx = bits(2, 3, 4, 5, 6, 7, 8, 10, 11, 15, 18, 27)
        /// DS, ACPI thermal, TM, PBE.
        static let leaf1edx = bits(21, 22, 29, 31)
        /// TSC_ADJUST (Linux reads its clock to check it at every idle), SGX, RDT monitoring, MPX, RDT allocation, processor trace.
        static let leaf7ebx = bits(1, 2, 12, 14, 15, 25)
        /// WAITPKG, CET shadow stack, LA57, bus lock detection, ENQCMD, SGX launch control.
        static let leaf7ecx = bits(5, 7, 16, 24, 29, 30)
        /// User interrupts, PCONFIG, architectural LBR, CET IBT, AMX.
        static let leaf7edx = bits(5, 18, 19, 20, 22, 24, 25)
        /// SVM, extended APIC registers, IBS, SKINIT, watchdog, LWP, node id MSR, performance counters, MWAITX.
        static let extended1ecx = bits(2, 3, 10, 12, 13, 15, 19, 23, 24, 26, 28, 29)
        /// IRPERF, INVLPGB, RDPRU, MCOMMIT.
        static let extended8ebx = bits(1, 3, 4, 8)
        /// x87, SSE, AVX, AVX-512 and PKRU state.
        static let visibleXCR0: UInt32 = bits(0, 1, 2, 5, 6, 7, 9)

        private static func bits(_ numbers: Int...) -> UInt32 { numbers.reduce(0) { $0 | 1 << UInt32($1) } }
    }

    private static func isVisible(_ entry: Entry) -> Bool {
        switch entry.function {
        case 0, 1, 2, 4, 7: true
        case 0xD: entry.index < 2 || (entry.index < 32 && Hidden.visibleXCR0 & 1 << entry.index != 0)
        case 0x8000_0000...0x8000_0008, 0x8000_0019, 0x8000_001A, 0x8000_001D, 0x8000_0021: true
        default: false
        }
    }

    /// The table for KVM_SET_CPUID2 of one processor.
    /// - Parameters:
    ///   - tscKHz: guest TSC frequency, told in leaves 0x15 and 0x16 to guests that look there.
    package func machineTable(layout: MachineLayout, apicID: APICID, tscKHz: UInt64) -> CPUIDTable {
        guard let processor = layout.processor(apicID) else {
            preconditionFailure("APIC id \(apicID) is not in the machine's layout")
        }
        let vendor = vendor
        var table = self
        table.keep(where: Self.isVisible)
        table.hideFeatures(vendor: vendor)
        table.settleExtendedState()
        table.setLimits(vendor: vendor, layout: layout)
        table.setTopology(vendor: vendor, layout: layout, processor: processor)
        table.setCaches(layout: layout)
        // Thermal and power: only the always-running APIC timer. No MWAIT (5), no performance counters (0xA).
        table.set(Entry(function: 5))
        table.set(Entry(function: 6, eax: 1 << 2))
        table.set(Entry(function: 0xA))
        if vendor == .intel { table.setFrequency(tscKHz: tscKHz) }
        // "KVMKVMKVM\0\0\0"
        table.set(
            Entry(function: 0x4000_0000, eax: 0x4000_0001, ebx: 0x4B4D_564B, ecx: 0x564B_4D56, edx: 0x0000_004D))
        let destinations = layout.needsX2APICAtStart ? KVMFeature.extendedDestinations : 0
        table.set(
            Entry(function: 0x4000_0001, eax: KVMFeature.pvUnhalt | destinations, edx: KVMFeature.hintRealtime))
        table.sort()
        return table
    }

    private mutating func hideFeatures(vendor: Vendor) {
        modify(1) {
            $0.ecx &= ~Hidden.leaf1ecx
            // x2APIC, TSC deadline timer, hypervisor.
            $0.ecx |= 1 << 21 | 1 << 24 | 1 << 31
            $0.edx &= ~Hidden.leaf1edx
            // The local APIC.
            $0.edx |= 1 << 9
        }
        modify(7, 0) {
            $0.ebx &= ~Hidden.leaf7ebx
            $0.ecx &= ~Hidden.leaf7ecx
            $0.edx &= ~Hidden.leaf7edx
        }
        modify(0xD, 0) {
            $0.eax &= Hidden.visibleXCR0
            $0.edx = 0
        }
        modify(0xD, 1) {
            // No supervisor state components.
            $0.ecx = 0
            $0.edx = 0
        }
        modify(0x8000_0001) { $0.ecx &= ~Hidden.extended1ecx }
        modify(0x8000_0008) { $0.ebx &= ~Hidden.extended8ebx }
        // The invariant TSC is the machine's promise: nodes keep their counters aligned.
        set(Entry(function: 0x8000_0007, edx: 1 << 8))
    }

    private mutating func setLimits(vendor: Vendor, layout: MachineLayout) {
        modify(0) {
            switch vendor {
            case .intel: $0.eax = $0.eax >= 0x1F ? 0x1F : max($0.eax, 0x16)
            case .amd, .other: $0.eax = min(max($0.eax, 0xD), 0x10)
            }
        }
        let least: UInt32 = vendor == .amd ? 0x8000_001E : 0x8000_0008
        modify(0x8000_0000) { $0.eax = min(max($0.eax, least), 0x8000_0021) }
        modify(0x8000_0008) {
            let physical = max($0.eax & 0xFF, UInt32(layout.physicalAddressBits))
            // 57-bit linear addresses come with LA57 only, which is hidden.
            $0.eax = min($0.eax >> 8 & 0xFF, 48) << 8 | physical
        }
    }

    private mutating func setTopology(vendor: Vendor, layout: MachineLayout, processor: MachineLayout.Processor) {
        let id = processor.apicID.rawValue
        let threadBits = UInt32(layout.threadBits)
        let packageShift = UInt32(layout.packageShift)
        let node = layout.nodes[node: processor.node]
        let threads = UInt32(node.threadsPerCore)
        let logical = UInt32(node.coresPerSocket) * threads
        // A feature, so the same on every node, also on one whose packages have one processor.
        let severalInAPackage = packageShift > 0

        modify(1) {
            $0.ebx = $0.ebx & 0xFFFF | min(1 << packageShift, 255) << 16 | (id & 0xFF) << 24
            $0.edx = severalInAPackage ? $0.edx | 1 << 28 : $0.edx & ~(1 << 28)
        }
        keep { $0.function != 0xB && $0.function != 0x1F }
        for leaf: UInt32 in (self[0]?.eax ?? 0) >= 0x1F ? [0xB, 0x1F] : [0xB] {
            set(Entry(function: leaf, index: 0, flags: 1, eax: threadBits, ebx: threads, ecx: 0x100, edx: id))
            set(Entry(function: leaf, index: 1, flags: 1, eax: packageShift, ebx: logical, ecx: 0x201, edx: id))
            set(Entry(function: leaf, index: 2, flags: 1, ecx: 2, edx: id))
        }
        modify(0x8000_0008) { $0.ecx = vendor == .amd ? packageShift << 12 | (logical - 1) & 0xFF : 0 }
        keep { $0.function != 0x8000_001E }
        guard vendor == .amd else { return }
        // Topology extensions are whole or absent: with them Linux takes caches from 0x8000001D, which cannot be made
        // up; without them it splits the APIC id as 0x80000008 says.
        let hasCaches = (self[0x8000_001D]?.eax ?? 0) & 0x1F != 0
        modify(0x8000_0001) {
            $0.ecx = hasCaches ? $0.ecx | 1 << 22 : $0.ecx & ~(1 << 22)
            // "Legacy" multi-core: a package has several threads.
            $0.ecx = severalInAPackage ? $0.ecx | 1 << 1 : $0.ecx & ~(1 << 1)
        }
        guard hasCaches else { return }
        // The node number is the SRAT's proximity domain: a board is one NUMA node, however many sockets it has.
        set(
            Entry(
                function: 0x8000_001E, eax: id, ebx: (threads - 1) << 8 | UInt32(processor.core & 0xFF),
                ecx: UInt32(processor.node.rawValue)))
    }

    /// Cache sharing in APIC id space: level 1 and 2 within a core, level 3 within a package.
    private mutating func setCaches(layout: MachineLayout) {
        let core = UInt32(1 << layout.threadBits) - 1
        let package = UInt32(1 << layout.packageShift) - 1
        let cores = min(UInt32(1 << (layout.packageShift - layout.threadBits)) - 1, 63)
        for i in entries.indices where entries[i].function == 4 || entries[i].function == 0x8000_001D {
            let eax = entries[i].eax
            guard eax & 0x1F != 0 else { continue }
            let level = (eax >> 5) & 7
            let sharing = min(level >= 3 ? package : core, 0xFFF)
            updateEntry(i) {
                $0.eax = eax & 0x3FFF | sharing << 14 | ($0.function == 4 ? cores << 26 : 0)
            }
        }
    }

    /// Leaf 0x15 relates the TSC to a crystal of 1 GHz, the clock of the local APIC's timer, because Linux takes the
    /// one for the other. Linux multiplies in 32 bits, so the ratio is the best one with a numerator below 4295.
    private mutating func setFrequency(tscKHz: UInt64) {
        let (numerator, denominator) = Self.ratio(tscKHz, 1_000_000, numeratorLimit: 4294)
        set(
            Entry(
                function: 0x15, eax: UInt32(denominator), ebx: UInt32(numerator),
                ecx: 1_000_000_000))
        let mhz = UInt32(clamping: (tscKHz + 500) / 1000)
        set(Entry(function: 0x16, eax: mhz & 0xFFFF, ebx: mhz & 0xFFFF, ecx: 100))
    }

    /// The best approximation of a/b by continued fraction convergents.
    static func ratio(_ a: UInt64, _ b: UInt64, numeratorLimit: UInt64) -> (UInt64, UInt64) {
        var (x, y) = (a, b)
        var (p0, q0): (UInt64, UInt64) = (0, 1)
        var (p1, q1): (UInt64, UInt64) = (1, 0)
        while y != 0 {
            let term = x / y
            let (p2, q2) = (term * p1 + p0, term * q1 + q0)
            if p2 > numeratorLimit || q2 > UInt64(UInt32.max) { break }
            (p0, q0, p1, q1) = (p1, q1, p2, q2)
            (x, y) = (y, x - term * y)
        }
        return q1 == 0 ? (numeratorLimit, 1) : (p1, q1)
    }
}

extension CPUIDTable {
    private mutating func updateEntry(_ i: Int, _ change: (inout Entry) -> Void) {
        var entry = entries[i]
        change(&entry)
        set(entry)
    }
}
