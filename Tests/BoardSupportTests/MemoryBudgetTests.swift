import BoardSupport
import Coherence
import Testing

/// docs/coherence.md, "Memory for each page".
@Suite struct MemoryBudgetTests {
    private static let tebibyte = 1 << 28
    private static let mebibyte = 1_048_576.0

    /// A machine of 1 TiB whose nodes cache a quarter of their slice.
    private func budget(nodes: Int, _ kernel: MemoryBudget.KernelBytes) -> MemoryBudget {
        let slice = Self.tebibyte / nodes
        return MemoryBudget(nodes: nodes, slicePages: slice, cachePages: slice / 4, kernel: kernel)
    }

    @Test(arguments: [8, 16])
    func aTebibyteIsPracticalOnPaper(nodes: Int) {
        let (machine, slice) = (Self.tebibyte, Self.tebibyte / nodes)
        let shadow = budget(nodes: nodes, .shadowPaging)
        // 1 byte a page of the machine and 2 for each 512 of them, 16 a page of the slice, 28 to 44 a page of the cache.
        #expect(shadow.engine.machine == machine + (machine / 512 + 1) * 2)
        #expect(shadow.engine.slice == slice * 16)
        #expect((28...44.01).contains(Double(shadow.engine.cache) / Double(slice / 4)))
        #expect(shadow.engine.fixed < 1 << 20)
        #expect(shadow.slots == Int(Double(machine) * 2 * 10.05))
        #expect(shadow.hostTables == Int(Double(slice + slice / 4) * 8.02))
        #expect(shadow.guestTables == Int(Double(slice + slice / 4) * 173))
        #expect(shadow.scatteredTables == (machine - slice) / 512 * 8192)
        #expect(shadow.total == shadow.engine.total + shadow.slots + shadow.hostTables + shadow.guestTables + shadow.scatteredTables + shadow.links)
        #expect(shadow.parts.reduce(0) { $0 + $1.bytes } == shadow.total)
        #expect(shadow.lent == (slice + slice / 4) * 4096)
        #expect(shadow.share < 1.0 / 6, "with shadow paging less than a sixth of what a node lends")
        #expect(budget(nodes: nodes, .extendedPaging).share < 1.0 / 16, "with EPT less than a sixteenth")
    }

    /// The sums that the document states, in MiB.
    @Test(arguments: [(8, 17_187, 5_445), (16, 13_461, 5_018)])
    func theDocumentsSums(nodes: Int, shadow: Double, extended: Double) {
        let sums = [budget(nodes: nodes, .shadowPaging), budget(nodes: nodes, .extendedPaging)].map { Double($0.total) / Self.mebibyte }
        #expect(abs(sums[0] - shadow) < 0.5 && abs(sums[1] - extended) < 0.5, "\(sums)")
    }

    /// What was promised before: four boards of 64 GiB whose constant reserve would have been exceeded under load.
    @Test func fourBoardsOf64GiBKeepWhatTheyNeed() throws {
        let demand = MemoryDivision.Demand(physicalMiB: 65_536, reserveMiB: 512, nodes: 4, kernel: .shadowPaging)
        let division = try MemoryDivision(demand)
        #expect(division.holds && division.firmwareMiB >= division.neededMiB && division.firmwareMiB < division.neededMiB + 16)
        #expect((5_000...9_000).contains(division.neededMiB) && division.cacheMiB * 7 <= division.sliceMiB + 16, "\(division)")
        var greedy = demand
        (greedy.sliceMiB, greedy.cacheMiB) = (56_896, 8_128)
        let shortage = try #require(throws: MemoryShortage.self) { try MemoryDivision(greedy) }
        let largest = try #require(shortage.largestSliceMiB)
        #expect("\(shortage)".contains("set slice-mib to at most \(largest) with cache-mib 8128") && "\(shortage)".contains("page tables"), "\(shortage)")
        // What the message names holds, and two more do not.
        greedy.sliceMiB = largest
        #expect(try MemoryDivision(greedy).holds)
        greedy.sliceMiB = largest + 2
        #expect(throws: MemoryShortage.self) { try MemoryDivision(greedy) }
    }

    /// Every division that a node chooses holds, and wastes nothing.
    @Test func whatANodeChoosesHoldsAndLeavesNothing() throws {
        for (physical, nodes) in [(448, 2), (1024, 2), (1024, 16), (3072, 4), (16_384, 8), (1_048_576, 16)] {
            for kernel in [MemoryBudget.KernelBytes.shadowPaging, .extendedPaging] {
                let division = try MemoryDivision(.init(physicalMiB: physical, reserveMiB: 192, nodes: nodes, kernel: kernel))
                #expect(division.holds && division.sliceMiB >= 64 && division.sliceMiB % 2 == 0, "\(division)")
                #expect(division.firmwareMiB - division.neededMiB < 16, "\(division)")
                #expect(division.text.contains("links to the other nodes"))
            }
        }
    }

    /// The rings and histories of 16 boards alone are more than what an emulated board keeps.
    @Test func sixteenSmallBoardsDoNotHold() throws {
        let shortage = try #require(throws: MemoryShortage.self) {
            try MemoryDivision(.init(physicalMiB: 448, reserveMiB: 192, nodes: 16, kernel: .shadowPaging))
        }
        #expect(shortage.largestSliceMiB == nil && "\(shortage)".contains("take fewer boards"), "\(shortage)")
    }

    /// A small board among large ones needs state for all of their pages.
    @Test func theMachinesWholeMemoryCounts() throws {
        var demand = MemoryDivision.Demand(physicalMiB: 4096, reserveMiB: 192, nodes: 4, sliceMiB: 3072, cacheMiB: 256, kernel: .shadowPaging)
        #expect(try MemoryDivision(demand).holds)
        demand.machineMiB = 400_000
        #expect(throws: MemoryShortage.self) { try MemoryDivision(demand) }
    }
}
