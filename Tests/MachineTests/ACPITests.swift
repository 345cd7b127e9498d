import Bytes
import Testing

@testable import Machine

@Suite struct ACPITests {
    private let unequal = testLayout([(2, 2, 2, 512), (1, 3, 1, 256), (1, 1, 1, 128)])

    private func u32(_ bytes: [UInt8], _ at: Int) -> UInt32 { bytes.number(UInt32.self, at: at) ?? 0 }
    private func u64(_ bytes: [UInt8], _ at: Int) -> UInt64 { bytes.number(UInt64.self, at: at) ?? 0 }

    /// Structures of a table after `offset`, by their type and length bytes.
    private func structures(_ bytes: [UInt8], from offset: Int) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var at = offset
        while at + 2 <= bytes.count, bytes[at + 1] > 0 {
            result.append(Array(bytes[at..<min(at + Int(bytes[at + 1]), bytes.count)]))
            at += Int(bytes[at + 1])
        }
        #expect(at == bytes.count)
        return result
    }

    @Test func everyTableSumsToZeroAndStatesItsLength() throws {
        let acpi = ACPITables(layout: unequal)
        for table in acpi.tables where table.signature != "FACS" && table.signature != "RSDP" {
            #expect(table.bytes.reduce(0, &+) == 0, "\(table.signature)")
            #expect(Int(u32(table.bytes, 4)) == table.bytes.count, "\(table.signature)")
        }
        let rsdp = try #require(acpi[signature: "RSDP"]).bytes
        #expect(rsdp[0..<20].reduce(0, &+) == 0 && rsdp.reduce(0, &+) == 0)
    }

    @Test func pointersLeadFromTheRootToEveryTable() throws {
        let acpi = ACPITables(layout: unequal)
        let rsdp = try #require(acpi[signature: "RSDP"])
        #expect(rsdp.address == acpi.rootPointer)
        let xsdt = try #require(acpi[signature: "XSDT"])
        #expect(u64(rsdp.bytes, 24) == xsdt.address.rawValue)
        let listed = stride(from: 36, to: xsdt.bytes.count, by: 8).map { GuestAddress(u64(xsdt.bytes, $0)) }
        #expect(listed == ["FACP", "APIC", "SRAT", "SLIT"].compactMap { acpi[signature: $0]?.address })
        let fadt = try #require(acpi[signature: "FACP"]).bytes
        #expect(UInt64(u32(fadt, 36)) == acpi[signature: "FACS"]?.address.rawValue && u64(fadt, 132) == 0)
        #expect(u64(fadt, 140) == acpi[signature: "DSDT"]?.address.rawValue)
        #expect(try #require(acpi[signature: "FACS"]).address.rawValue % 64 == 0)
        // Nothing overlaps and everything lies where the memory map keeps it.
        let sorted = acpi.tables.sorted { $0.address < $1.address }
        #expect(
            zip(sorted, sorted.dropFirst()).allSatisfy {
                $0.address.rawValue + UInt64($0.bytes.count) <= $1.address.rawValue
            })
        #expect(sorted.allSatisfy { (0xE0000..<0x100000).contains($0.address.rawValue) })
    }

    @Test func identityOfTheBrandIsInEveryHeader() {
        let identity = ACPITables.Identity(
            oemID: "ACMECO", oemTableID: "BIGBOX", oemRevision: 7, creatorID: "ACME", creatorRevision: 3)
        let acpi = ACPITables(layout: unequal, identity: identity)
        for table in acpi.tables where table.signature != "FACS" && table.signature != "RSDP" {
            #expect(Array(table.bytes[10..<16]) == Array("ACMECO".utf8))
            #expect(Array(table.bytes[16..<24]) == Array("BIGBOX  ".utf8))
            #expect(u32(table.bytes, 24) == 7)
        }
    }

    @Test func madtListsEveryProcessorAndTheControllers() throws {
        let madt = try #require(ACPITables(layout: unequal)[signature: "APIC"]).bytes
        #expect(u32(madt, 36) == 0xFEE0_0000)
        let all = structures(madt, from: 44)
        let x2 = all.filter { $0[0] == 9 }
        #expect(x2.map { u32($0, 4) } == unequal.processors.map(\.apicID.rawValue))
        #expect(x2.map { u32($0, 12) } == unequal.processors.map { UInt32($0.index) })
        #expect(x2.allSatisfy { u32($0, 8) == 1 })
        #expect(all.filter { $0[0] == 1 } == [[1, 12, 0, 0, 0, 0, 0xC0, 0xFE, 0, 0, 0, 0]])
        #expect(all.filter { $0[0] == 2 } == [[2, 10, 0, 0, 2, 0, 0, 0, 0, 0], [2, 10, 0, 9, 9, 0, 0, 0, 0x0D, 0]])
        #expect(all.filter { $0[0] == 10 }.count == 1)
    }

    @Test func sratPutsProcessorsAndMemoryIntoTheirNodes() throws {
        let split = testLayout([(1, 1, 1, 2048), (1, 2, 1, 2048)])
        let srat = try #require(ACPITables(layout: split)[signature: "SRAT"]).bytes
        #expect(u32(srat, 36) == 1)
        let all = structures(srat, from: 48)
        let processors = all.filter { $0[0] == 2 }
        let expected: [[UInt32]] = [[0, 0, 1], [1, 2, 1], [1, 3, 1]]
        #expect(processors.map { [u32($0, 4), u32($0, 8), u32($0, 12)] } == expected)
        let memory = all.filter { $0[0] == 1 }
        #expect(memory.map { u32($0, 2) } == [0, 1, 1])
        let gib: UInt64 = 1 << 30
        #expect(memory.map { u64($0, 8) } == [0, 2 * gib, 4 * gib])
        #expect(memory.map { u64($0, 16) } == [2 * gib, gib, gib])
        #expect(memory.allSatisfy { u32($0, 28) == 1 })
    }

    @Test func slitIsSquareWithTenOnTheDiagonal() throws {
        let slit = try #require(ACPITables(layout: unequal)[signature: "SLIT"]).bytes
        #expect(u64(slit, 36) == 3)
        #expect(Array(slit[44...]) == [10, 40, 40, 40, 10, 40, 40, 40, 10])
    }

    @Test func tablesOfALargeMachineMoveToTheEndOfLowMemory() throws {
        let big = testLayout(Array(repeating: (8, 64, 2, 1024), count: 4))
        let acpi = ACPITables(layout: big)
        #expect(acpi.reclaimableBytes == 2 << 20)
        #expect(acpi.rootPointer == GuestAddress(0xE0000))
        #expect(try #require(acpi[signature: "FACS"]).address == GuestAddress(1022 << 20))
        let kept: Range<UInt64> = (1022 << 20)..<(1024 << 20)
        for table in acpi.tables.dropFirst() {
            #expect(kept.contains(table.address.rawValue))
            #expect(table.address.rawValue + UInt64(table.bytes.count) <= kept.upperBound)
        }
    }

    @Test func amlPackageLengthsGrowWithTheirBody() {
        #expect(AML.buffer([UInt8](repeating: 0, count: 3)).prefix(4) == [0x11, 0x06, 0x0A, 3])
        let medium = AML.buffer([UInt8](repeating: 0, count: 100))
        #expect(medium.prefix(5) == [0x11, 0x48, 0x06, 0x0A, 100])
        #expect(AML.eisaID("PNP0501") == [0x0C, 0x41, 0xD0, 0x05, 0x01])
        #expect(AML.path("\\_SB.PCI0.X") == [0x5C, 0x2F, 3] + Array("_SB_PCI0X___".utf8))
    }
}
