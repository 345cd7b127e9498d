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
        #expect(shadow.total == shadow.engine.total + shadow.slots + shadow.hostTables + shadow.guestTables)
        #expect(shadow.lent == (slice + slice / 4) * 4096)
        #expect(shadow.share < 1.0 / 8, "with shadow paging less than an eighth of what a node lends")
        #expect(budget(nodes: nodes, .extendedPaging).share < 0.02, "with EPT less than a fiftieth")
    }

    /// The sums that the document states, in MiB.
    @Test(arguments: [(8, 13_508, 1_766), (16, 9_456, 1_013)])
    func theDocumentsSums(nodes: Int, shadow: Double, extended: Double) {
        let sums = [budget(nodes: nodes, .shadowPaging), budget(nodes: nodes, .extendedPaging)].map { Double($0.total) / Self.mebibyte }
        #expect(abs(sums[0] - shadow) < 0.5 && abs(sums[1] - extended) < 0.5, "\(sums)")
    }
}
