import Contract
import Bytes
import Testing

@testable import Machine

@Suite struct CPUIDTests {
    private typealias Entry = CPUIDTable.Entry

    private func vendor(_ name: String) -> (UInt32, UInt32, UInt32) {
        let b = Array(name.utf8)
        func word(_ i: Int) -> UInt32 { b.number(UInt32.self, at: i) ?? 0 }
        return (word(0), word(4), word(8))
    }

    private func supported(_ name: String, change: (inout CPUIDTable) -> Void = { _ in }) -> CPUIDTable {
        let (b, d, c) = vendor(name)
        var table = CPUIDTable(entries: [
            Entry(function: 0, eax: 0x1F, ebx: b, ecx: c, edx: d),
            Entry(function: 1, eax: 0x00A0_0F11, ebx: 0x0710_0800, ecx: 0xFFFF_FFFF, edx: 0xFFFF_FFFF),
            Entry(function: 4, index: 0, flags: 1, eax: 0x1C00_4121, ebx: 0x01C0_003F, ecx: 0x3F),
            Entry(function: 4, index: 3, flags: 1, eax: 0x1C03_C163, ebx: 0x03C0_003F, ecx: 0x3FFF),
            Entry(function: 4, index: 4, flags: 1),
            Entry(function: 5, eax: 0x40, ebx: 0x40),
            Entry(function: 7, index: 0, flags: 1, eax: 1, ebx: 0xFFFF_FFFF, ecx: 0xFFFF_FFFF, edx: 0xFFFF_FFFF),
            Entry(function: 0xA, eax: 0x0730_0404),
            Entry(function: 0xB, index: 0, flags: 1, eax: 1, ebx: 2, ecx: 0x100, edx: 7),
            Entry(function: 0xD, index: 0, flags: 1, eax: 0x6_02E7, ebx: 0xA88, ecx: 0xA88),
            Entry(function: 0xD, index: 1, flags: 1, eax: 0xF, ecx: 0x100),
            Entry(function: 0xD, index: 2, flags: 1, eax: 0x100, ebx: 0x240),
            Entry(function: 0xD, index: 5, flags: 1, eax: 0x40, ebx: 0x440),
            Entry(function: 0xD, index: 6, flags: 1, eax: 0x200, ebx: 0x480),
            Entry(function: 0xD, index: 7, flags: 1, eax: 0x400, ebx: 0x680),
            Entry(function: 0xD, index: 9, flags: 1, eax: 8, ebx: 0xA80),
            Entry(function: 0xD, index: 18, flags: 1, eax: 0x2000, ebx: 0xB00),
            Entry(function: 0x14, index: 0, flags: 1, eax: 1),
            Entry(function: 0x4000_0000, eax: 0x4000_0001),
            Entry(function: 0x4000_0001, eax: 0x0100_7EFB),
            Entry(function: 0x8000_0000, eax: 0x8000_0021),
            Entry(function: 0x8000_0001, eax: 0x00A0_0F11, ecx: 0xFFFF_FFFF, edx: 0xFFFF_FFFF),
            Entry(function: 0x8000_0007, edx: 0xFFFF_FFFF),
            Entry(function: 0x8000_0008, eax: 0x0030_3030, ebx: 0xFFFF_FFFF, ecx: 0x703F),
            Entry(function: 0x8000_000A, eax: 1),
            Entry(function: 0x8000_001D, index: 0, flags: 1, eax: 0x4121),
            Entry(function: 0x8000_001D, index: 3, flags: 1, eax: 0x1_C163),
            Entry(function: 0x8000_001E, eax: 7, ebx: 0x103, ecx: 0x301),
            Entry(function: 0x8000_001F, eax: 0xF),
        ])
        change(&table)
        return table
    }

    private let layout = testLayout([(1, 2, 2, 256), (2, 2, 2, 256)])

    private func bit(_ value: UInt32?, _ n: UInt32) -> Bool { (value ?? 0) & 1 << n != 0 }

    @Test(arguments: ["GenuineIntel", "AuthenticAMD"])
    func machineSaysWhatHoldsOnEveryNode(name: String) throws {
        let t = supported(name).machineTable(layout: layout, apicID: APICID(9), tscKHz: 2_400_000)
        #expect(t.vendorName == name)
        let one = try #require(t[1])
        for n: UInt32 in [21, 24, 31] { #expect(bit(one.ecx, n)) }
        for n: UInt32 in [2, 3, 5, 6, 15, 27] { #expect(!bit(one.ecx, n)) }
        #expect(one.ebx >> 24 == 9 && one.ebx & 0xFFFF == 0x0800)
        #expect((one.ebx >> 16) & 0xFF == 4 && bit(one.edx, 28))
        #expect(t[5].map { $0.eax | $0.ebx | $0.ecx | $0.edx } == 0)
        #expect(t[0xA].map { $0.eax | $0.ebx | $0.ecx | $0.edx } == 0)
        #expect(t[6]?.eax == 4)
        #expect(t[0x14] == nil && t[0x8000_000A] == nil && t[0x8000_001F] == nil)
        #expect(t[0x8000_0007] == Entry(function: 0x8000_0007, edx: 1 << 8))
        #expect(!bit(t[0x8000_0001]?.ecx, 2) && bit(t[0x8000_0001]?.edx, 27))
        for n: UInt32 in [2, 12, 14, 15, 25] { #expect(!bit(t[7]?.ebx, n)) }
        for n: UInt32 in [22, 24, 25] { #expect(!bit(t[7]?.edx, n)) }
        #expect(t[0xD]?.eax == 0x2E7 && t[0xD, 18] == nil && t[0xD, 9] != nil)
    }

    @Test func kvmSignatureOffersQueuedSpinlocksAndNothingShared() throws {
        let t = supported("AuthenticAMD").machineTable(layout: layout, apicID: APICID(0), tscKHz: 1)
        let signature = try #require(t[0x4000_0000])
        let text = [signature.ebx, signature.ecx, signature.edx].flatMap { $0.bytes() }
        #expect(text == Array("KVMKVMKVM\0\0\0".utf8))
        #expect(t[0x4000_0001] == Entry(function: 0x4000_0001, eax: 1 << 7, edx: 1))
    }

    @Test func topologyLeavesSplitTheAPICIDAsTheLayoutDoes() throws {
        for processor in layout.processors {
            for name in ["GenuineIntel", "AuthenticAMD"] {
                let t = supported(name).machineTable(layout: layout, apicID: processor.apicID, tscKHz: 2_000_000)
                let id = processor.apicID.rawValue
                let smt = try #require(t[0xB, 0])
                let core = try #require(t[0xB, 1])
                #expect(smt.edx == id && core.edx == id)
                #expect(smt.ecx == 0x100 && core.ecx == 0x201)
                #expect(smt.ebx == 2 && core.ebx == 4)
                #expect(id >> core.eax == UInt32(processor.socket))
                #expect((id >> smt.eax) & 1 == UInt32(processor.core))
                if name == "GenuineIntel" { #expect(t[0x1F, 1]?.eax == core.eax) }
            }
        }
    }

    @Test func amdNodeIsTheSRATDomainOfTheBoard() throws {
        for processor in layout.processors {
            let t = supported("AuthenticAMD").machineTable(layout: layout, apicID: processor.apicID, tscKHz: 1)
            let leaf = try #require(t[0x8000_001E])
            #expect(leaf.eax == processor.apicID.rawValue)
            #expect(leaf.ebx == 0x100 | UInt32(processor.core))
            #expect(leaf.ecx == UInt32(processor.node.rawValue))
            #expect(t[0x8000_0008]?.ecx == 0x2003)
            #expect(bit(t[0x8000_0001]?.ecx, 22))
            // Level 1 is shared by the two threads of a core, level 3 by the package.
            #expect((t[0x8000_001D, 0]?.eax ?? 0) >> 14 == 1)
            #expect((t[0x8000_001D, 3]?.eax ?? 0) >> 14 == 3)
        }
    }

    @Test func topologyExtensionsNeedTheirCacheLeaf() {
        let t = supported("AuthenticAMD") { $0.keep { $0.function != 0x8000_001D } }
            .machineTable(layout: layout, apicID: APICID(0), tscKHz: 1)
        #expect(!bit(t[0x8000_0001]?.ecx, 22) && t[0x8000_001E] == nil)
    }

    @Test func intelCachesAndFrequencyFitTheMachine() throws {
        let t = supported("GenuineIntel").machineTable(layout: layout, apicID: APICID(0), tscKHz: 2_399_998)
        let l1 = try #require(t[4, 0])
        let l3 = try #require(t[4, 3])
        #expect((l1.eax >> 14) & 0xFFF == 1 && (l3.eax >> 14) & 0xFFF == 3)
        #expect(l1.eax >> 26 == 1 && l3.eax >> 26 == 1)
        #expect(l1.ebx == 0x01C0_003F)
        // Linux computes crystal kHz x numerator / denominator in 32 bits.
        let f = try #require(t[0x15])
        let product = UInt64(f.ecx / 1000) * UInt64(f.ebx)
        #expect(product <= UInt64(UInt32.max))
        let khz = Int(product / UInt64(f.eax))
        #expect(abs(khz - 2_399_998) <= 2)
        #expect(t[0x16]?.eax == 2400)
        let amd = supported("AuthenticAMD").machineTable(layout: layout, apicID: APICID(0), tscKHz: 1)
        #expect(amd[0x15] == nil && (amd[0]?.eax ?? 0) < 0x15)
    }

    @Test func oneProcessorIsNoHyperthreadedPackage() {
        let single = testLayout([(1, 1, 1, 64)])
        let t = supported("AuthenticAMD").machineTable(layout: single, apicID: APICID(0), tscKHz: 1)
        #expect(!bit(t[1]?.edx, 28) && !bit(t[0x8000_0001]?.ecx, 1))
        #expect(t[0xB, 0]?.ebx == 1 && t[0xB, 1]?.ebx == 1)
    }

    @Test(arguments: ["GenuineIntel", "AuthenticAMD"])
    func unequalBoardsHaveTheSameFeatures(name: String) {
        let unequal = testLayout([(1, 1, 1, 64), (1, 2, 1, 64)])
        let tables = unequal.processors.map { supported(name).machineTable(layout: unequal, apicID: $0.apicID, tscKHz: 1) }
        #expect(tables.count == 3)
        for table in tables {
            #expect(table[1]?.ecx == tables[0][1]?.ecx && table[1]?.edx == tables[0][1]?.edx)
            #expect(table[7, 0] == tables[0][7, 0])
            #expect(table[0x8000_0001]?.ecx == tables[0][0x8000_0001]?.ecx)
        }
        #expect(bit(tables[0][1]?.edx, 28))
    }

    @Test func physicalAddressesReachAllMemory() {
        let large = testLayout([(1, 1, 1, 1 << 26), (1, 1, 1, 1 << 26)])
        let t = supported("GenuineIntel") { $0.modify(0x8000_0008) { $0.eax = 0x3024 } }
            .machineTable(layout: large, apicID: APICID(0), tscKHz: 1)
        #expect(t[0x8000_0008]?.eax == 0x3030)
    }

    @Test func intersectionKeepsOnlyWhatBothHave() throws {
        let a = supported("GenuineIntel")
        let b = supported("GenuineIntel") {
            $0.modify(0) { $0.eax = 0xD }
            $0.modify(1) { $0.ecx &= ~(1 << 12); $0.eax = 0x5_0654 }
            $0.modify(7) { $0.ebx &= ~(1 << 16) }
            $0.modify(0xD) { $0.eax = 7 }
            $0.modify(0xD, 9) { $0.ebx = 0x980 }
            $0.modify(0x8000_0008) { $0.eax = 0x302E }
            $0.keep { $0.function != 0x8000_001D }
        }
        for both in [try a.intersection(b), try b.intersection(a)] {
            #expect(both[0]?.eax == 0xD && both[1]?.eax == 0x5_0654)
            #expect(!bit(both[1]?.ecx, 12) && bit(both[1]?.ecx, 23))
            #expect(!bit(both[7]?.ebx, 16) && both[0xD]?.eax == 7)
            #expect(both[0xD, 9] == nil && both[0xD, 2] != nil)
            #expect(both[0x8000_0008]?.eax == 0x302E && both[0x8000_001D] == nil)
        }
        #expect(try a.intersection(a).intersection(a) == a.intersection(a))
    }

    @Test func differentVendorsAreRefused() {
        #expect(throws: CPUIDMismatch.vendor("GenuineIntel", "AuthenticAMD")) {
            try supported("GenuineIntel").intersection(supported("AuthenticAMD"))
        }
    }

    @Test func tablesTravelAndMalformedOnesAreRefused() throws {
        let a = supported("AuthenticAMD")
        let bytes = a.encoded()
        #expect(try CPUIDTable(decoding: bytes) == a)
        #expect(throws: CPUIDTable.DecodingError.length(bytes.count - 1)) {
            try CPUIDTable(decoding: Array(bytes.dropLast()))
        }
        #expect(throws: CPUIDTable.DecodingError.length(3)) { try CPUIDTable(decoding: [1, 0, 0]) }
        #expect(throws: CPUIDTable.DecodingError.format(2)) { try CPUIDTable(decoding: [2, 0, 0, 0, 0, 0, 0, 0]) }
        #expect(throws: CPUIDTable.DecodingError.count(0xFFFF_FFFF)) {
            try CPUIDTable(decoding: [1, 0, 0, 0, 255, 255, 255, 255])
        }
    }

    private func withAVX512(_ change: (inout CPUIDTable) -> Void = { _ in }) -> CPUIDTable { supported("GenuineIntel", change: change) }

    private func offered(_ table: CPUIDTable) -> CPUIDTable { table.machineTable(layout: layout, apicID: APICID(9), tscKHz: 2_400_000) }

    /// What Linux computes from the components (paranoid_xstate_size_valid) is what leaf 0xD says.
    @Test func extendedStateHasTheSizesOfWhatIsLeft() throws {
        let all = try #require(offered(withAVX512())[0xD])
        #expect(all.eax == 0x2E7 && all.ecx == 0xA88)
        let narrow = offered(withAVX512 { $0.withdraw(InstructionSet.all.first { $0.name == "AVX512F" }!) })
        #expect(narrow[0xD]?.eax == 0x207 && narrow[0xD]?.ecx == 0xA88 && narrow[0xD, 5]?.function == nil)
        #expect(!bit(narrow[7]?.ebx, 16) && !bit(narrow[7]?.ebx, 30) && !bit(narrow[7]?.ecx, 11) && bit(narrow[7]?.ebx, 5))
        let keyless = offered(withAVX512 { table in table.modify(7) { $0.ecx &= ~8 } })
        #expect(keyless[0xD]?.eax == 0xE7 && keyless[0xD]?.ecx == 0xA80)
        #expect(keyless[0xD, 1]?.ebx == 0x980)
    }

    /// AVX without its state is a promise that kills programs: whatever is missing below, nothing that rests on it is offered.
    @Test func noFeatureIsOfferedWithoutItsState() {
        for change: (inout CPUIDTable) -> Void in [
            { table in table.modify(1) { $0.ecx &= ~(1 << 26) } }, { table in table.keep { $0.function != 0xD } },
            { table in table.withdraw(InstructionSet.all.first { $0.name == "XSAVE" }!) },
        ] {
            let table = offered(withAVX512(change))
            for set in InstructionSet.all where set.xcr0 != 0 { #expect(!set.isOffered(by: table), "\(set.name)") }
            #expect(table[0xD] == nil && !bit(table[7]?.ecx, 3))
            #expect(bit(table[1]?.ecx, 0) && bit(table[1]?.ecx, 25), "what needs no state stays")
        }
        let table = offered(withAVX512 { $0.withdraw(InstructionSet.all.first { $0.name == "AVX" }!) })
        for set in InstructionSet.all where set.xcr0 & 4 != 0 { #expect(!set.isOffered(by: table), "\(set.name)") }
        #expect(bit(table[1]?.ecx, 26) && table[0xD]?.eax == 0x203)
    }

    @Test func linearAddressesHaveTheBitsThatAreOffered() {
        let table = offered(supported("GenuineIntel") { table in table.modify(0x8000_0008) { $0.eax = 0x3934 } })
        #expect((table[0x8000_0008]?.eax ?? 0) >> 8 & 0xFF == 48 && !bit(table[7]?.ecx, 16))
    }
}
