/// Sets of instructions that CPUID promises, each with one instruction to try (Intel SDM volume 2). What traps its use may be absent though
/// CPUID of the hardware below has it: an emulator, a hypervisor's settings, a kernel that switched XSAVE off.
package struct InstructionSet: Sendable, Equatable {
    package enum Register: Sendable { case ebx, ecx, edx }

    package let name: String
    package let function: UInt32
    package let register: Register
    package let bit: UInt32
    /// State components that XCR0 has to enable; 0 for instructions that need no XSAVE.
    package let xcr0: UInt64
    /// Changes only RAX, RCX, RDX and vector register 0; reads at most 64 bytes from RSP.
    package let code: [UInt8]

    private static func one(_ name: String, _ bit: UInt32, _ code: [UInt8], xcr0: UInt64 = 0) -> Self {
        Self(name: name, function: 1, register: .ecx, bit: bit, xcr0: xcr0, code: code)
    }

    private static func seven(_ name: String, _ register: Register, _ bit: UInt32, _ code: [UInt8], xcr0: UInt64 = 0) -> Self {
        Self(name: name, function: 7, register: register, bit: bit, xcr0: xcr0, code: code)
    }

    /// What an instruction set rests on comes before it.
    package static let all: [Self] = [
        one("SSE3", 0, [0xF2, 0x0F, 0x7C, 0xC0]), one("PCLMULQDQ", 1, [0x66, 0x0F, 0x3A, 0x44, 0xC0, 0]),
        one("SSSE3", 9, [0x66, 0x0F, 0x38, 0x1C, 0xC0]), one("CMPXCHG16B", 13, [0x48, 0x0F, 0xC7, 0x0C, 0x24]),
        one("SSE4.1", 19, [0x66, 0x0F, 0x38, 0x17, 0xC0]), one("SSE4.2", 20, [0x66, 0x0F, 0x38, 0x37, 0xC0]),
        one("MOVBE", 22, [0x0F, 0x38, 0xF0, 0x04, 0x24]), one("POPCNT", 23, [0xF3, 0x0F, 0xB8, 0xC0]),
        one("AES", 25, [0x66, 0x0F, 0x38, 0xDC, 0xC0]), one("RDRAND", 30, [0x0F, 0xC7, 0xF0]),
        one("XSAVE", 26, [0x31, 0xC9, 0x0F, 0x01, 0xD0], xcr0: 3), one("AVX", 28, [0xC5, 0xFC, 0x57, 0xC0], xcr0: 7),
        one("FMA", 12, [0xC4, 0xE2, 0x7D, 0x98, 0xC0], xcr0: 7), one("F16C", 29, [0xC4, 0xE2, 0x7D, 0x13, 0xC0], xcr0: 7),
        seven("BMI1", .ebx, 3, [0xC4, 0xE2, 0x78, 0xF2, 0xC0]), seven("AVX2", .ebx, 5, [0xC5, 0xFD, 0xEF, 0xC0], xcr0: 7),
        seven("BMI2", .ebx, 8, [0xC4, 0xE2, 0x7B, 0xF5, 0xC0]), seven("RDSEED", .ebx, 18, [0x0F, 0xC7, 0xF8]),
        seven("ADX", .ebx, 19, [0x66, 0x0F, 0x38, 0xF6, 0xC0]), seven("CLFLUSHOPT", .ebx, 23, [0x66, 0x0F, 0xAE, 0x3C, 0x24]),
        seven("CLWB", .ebx, 24, [0x66, 0x0F, 0xAE, 0x34, 0x24]), seven("SHA", .ebx, 29, [0x0F, 0x38, 0xC8, 0xC0]),
        seven("AVX512F", .ebx, 16, [0x62, 0xF1, 0x7D, 0x48, 0xEF, 0xC0], xcr0: 0xE7),
        seven("GFNI", .ecx, 8, [0x66, 0x0F, 0x38, 0xCF, 0xC0]), seven("VAES", .ecx, 9, [0xC4, 0xE2, 0x7D, 0xDC, 0xC0], xcr0: 7),
        seven("VPCLMULQDQ", .ecx, 10, [0xC4, 0xE3, 0x7D, 0x44, 0xC0, 0], xcr0: 7),
        Self(name: "SSE4A", function: 0x8000_0001, register: .ecx, bit: 6, xcr0: 0, code: [0x66, 0x0F, 0x79, 0xC0]),
    ]

    package func isOffered(by table: CPUIDTable) -> Bool {
        guard let entry = table[function] else { return false }
        let word =
            switch register {
            case .ebx: entry.ebx
            case .ecx: entry.ecx
            case .edx: entry.edx
            }
        return word & 1 << bit != 0
    }
}

extension CPUIDTable {
    /// Without one set of instructions, and without what rests on it.
    package mutating func withdraw(_ set: InstructionSet) {
        modify(set.function) {
            let mask: UInt32 = ~(1 << set.bit)
            switch set.register {
            case .ebx: $0.ebx &= mask
            case .ecx: $0.ecx &= mask
            case .edx: $0.edx &= mask
            }
        }
        settleExtendedState()
    }

    /// Bits of what cannot be used without a state component (Intel SDM volume 1, chapter 13 and 14.3, 15.2).
    private enum Dependent {
        /// FMA, F16C.
        static let avx1ecx = bits(12, 29)
        static let avx7ebx = bits(5)
        /// VAES, VPCLMULQDQ.
        static let avx7ecx = bits(9, 10)
        /// AVX-VNNI, AVX-IFMA.
        static let avx71eax = bits(4, 23)
        /// XOP, FMA4.
        static let avxExtended1ecx = bits(11, 16)
        /// AVX-512 F, DQ, IFMA, PF, ER, CD, BW, VL.
        static let avx512ebx = bits(16, 17, 21, 26, 27, 28, 30, 31)
        /// VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ.
        static let avx512ecx = bits(1, 6, 11, 12, 14)
        /// 4VNNIW, 4FMAPS, VP2INTERSECT, FP16.
        static let avx512edx = bits(2, 3, 8, 23)
        /// BF16.
        static let avx512sub1eax = bits(5)
        /// PKU, OSPKE.
        static let protectionKeys = bits(3, 4)

        private static func bits(_ numbers: Int...) -> UInt32 { numbers.reduce(0) { $0 | 1 << UInt32($1) } }
    }

    private static let avx512State: UInt32 = 0xE0

    /// Makes the extended state whole: a component is there only when its features are, a feature only when its component is, and leaf 0xD gives
    /// the sizes of what is left.
    package mutating func settleExtendedState() {
        var components = self[0xD, 0]?.eax ?? 0
        for component: UInt32 in 2..<32 where components & 1 << component != 0 {
            if (self[0xD, component]?.eax ?? 0) == 0 { components &= ~(1 << component) }
        }
        let hasXSAVE = (self[1]?.ecx ?? 0) & 1 << 26 != 0 && components & 3 == 3
        let hasAVX = hasXSAVE && components & 4 != 0 && (self[1]?.ecx ?? 0) & 1 << 28 != 0
        let hasAVX512 = hasAVX && components & Self.avx512State == Self.avx512State && (self[7]?.ebx ?? 0) & 1 << 16 != 0
        let hasKeys = hasXSAVE && components & 1 << 9 != 0 && (self[7]?.ecx ?? 0) & 1 << 3 != 0
        if !hasXSAVE { components = 0 }
        if !hasAVX { components &= ~4 }
        if !hasAVX512 { components &= ~Self.avx512State }
        if !hasKeys { components &= ~(1 << 9) }
        modify(1) {
            if !hasXSAVE { $0.ecx &= ~(1 << 26 | 1 << 27) }
            if !hasAVX { $0.ecx &= ~(1 << 28 | Dependent.avx1ecx) }
        }
        modify(7, 0) {
            if !hasAVX {
                $0.ebx &= ~Dependent.avx7ebx
                $0.ecx &= ~Dependent.avx7ecx
            }
            if !hasAVX512 {
                $0.ebx &= ~Dependent.avx512ebx
                $0.ecx &= ~Dependent.avx512ecx
                $0.edx &= ~Dependent.avx512edx
            }
            if !hasKeys { $0.ecx &= ~Dependent.protectionKeys }
        }
        modify(7, 1) {
            if !hasAVX { $0.eax &= ~Dependent.avx71eax }
            if !hasAVX512 { $0.eax &= ~Dependent.avx512sub1eax }
        }
        modify(0x8000_0001) { if !hasAVX { $0.ecx &= ~Dependent.avxExtended1ecx } }
        keep { $0.function != 0xD || $0.index < 2 || ($0.index < 32 && components & 1 << $0.index != 0) }
        guard hasXSAVE else {
            keep { $0.function != 0xD }
            return
        }
        var standard: UInt32 = 576
        var compacted: UInt32 = 576
        for component: UInt32 in 2..<32 {
            guard components & 1 << component != 0, let entry = self[0xD, component] else { continue }
            standard = max(standard, entry.ebx + entry.eax)
            if entry.ecx & 2 != 0 { compacted = (compacted + 63) & ~63 }
            compacted += entry.eax
        }
        modify(0xD, 0) {
            $0.eax = components
            // KVM keeps the present size, in EBX, up to date.
            $0.ebx = standard
            $0.ecx = standard
            $0.edx = 0
        }
        modify(0xD, 1) { $0.ebx = $0.eax & 0xA != 0 ? compacted : 0 }
    }
}
