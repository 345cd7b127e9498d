import BoardSupport
import Coherence
import Node

/// What memory a page costs beside itself, on whom, and what that sums to for 1 TiB.
enum MemoryTable {
    private static let mebibyte = 1_048_576.0

    static func print() throws {
        let (slot, largest) = (try MemoryPerPage.slots(), try MemoryPerPage.largestSlot())
        let once = try MemoryPerPage.tables(.once)
        let twice = try MemoryPerPage.tables(.twice)
        Swift.print("| what | on whom | bytes a page | source |\n|---|---|---|---|")
        func row(_ what: String, _ whom: String, _ bytes: String, _ source: String) {
            Swift.print("| \(what) | \(whom) | \(bytes) | \(source) |")
        }
        let engine = Self.engine(cachePages: 1 << 20)
        let least = Self.engine(cachePages: (1 << 20) - 1024)
        row("engine: state of the page", "every node, each page of the machine", digits(Double(engine.machine) / Double(1 << 23), 2), "computed")
        row("engine: directory entry", "home, each page of its slice", digits(Double(engine.slice) / Double(1 << 20), 2), "computed")
        row(
            "engine: cache", "holder, each page its cache may hold",
            "\(digits(Double(least.cache) / Double((1 << 20) - 1024))) to \(digits(Double(engine.cache) / Double(1 << 20)))", "computed")
        row("KVM: memory slot", "every node, each page of a slot, touched or not", digits(slot, 2), "measured, slots of 8 to 64 GiB")
        row("host's page tables", "where the page is, beside its neighbours", digits(once.host, 2), "measured, 64 to 448 MiB")
        row("the same, no other page within 2 MiB", "where the page is", digits(try MemoryPerPage.scattered(), 0), "measured, 2048 pages")
        row("KVM: guest's tables, one mapping of 4 KiB", "where the page is", "\(digits(once.guest))", "measured, SecPageTables")
        row("KVM: records of these", "where the page is", once.other.map { digits($0) } ?? "unknown", "measured, control group")
        row("KVM: guest's tables, a second mapping of 2 MiB", "where the page is", "\(digits(twice.guest))", "measured, SecPageTables")
        row("KVM: records of these", "where the page is", twice.other.map { digits($0) } ?? "unknown", "measured, control group")
        if let largest { Swift.print("a slot of 1 TiB takes \(digits(largest.bytes / mebibyte, 0)) MiB, \(digits(largest.seconds, 2)) s to register") }
        guard let other = twice.other else { return Swift.print("no sum: this machine does not count what KVM takes") }
        let kernel = MemoryBudget.KernelBytes(slots: 2, slot: slot, hostTables: once.host, guestTables: twice.guest + other)
        for nodes in [8, 16] { printSum(nodes: nodes, kernel) }
    }

    /// Of eight nodes with a slice of 4 GiB each.
    private static func engine(cachePages: Int) -> StateBytes {
        MemoryBudget(nodes: 8, slicePages: 1 << 20, cachePages: cachePages, kernel: .extendedPaging).engine
    }

    private static func printSum(nodes: Int, _ kernel: MemoryBudget.KernelBytes) {
        let slice = 1 << 28 / nodes
        for (name, kernel) in [("shadow paging, these figures", kernel), ("EPT, computed", .extendedPaging)] {
            let budget = MemoryBudget(nodes: nodes, slicePages: slice, cachePages: slice / 4, kernel: kernel)
            func mebibytes(_ bytes: Int) -> String { digits(Double(bytes) / mebibyte, 0) }
            Swift.print(
                "1 TiB on \(nodes) nodes, a cache of a quarter of the slice, \(name): engine \(mebibytes(budget.engine.total)) MiB, slots "
                    + "\(mebibytes(budget.slots)), host's tables \(mebibytes(budget.hostTables + budget.scatteredTables)), links \(mebibytes(budget.links)), KVM's tables \(mebibytes(budget.guestTables)): "
                    + "\(mebibytes(budget.total)) MiB a node, \(digits(budget.share * 100))% of the \(mebibytes(budget.lent)) MiB it lends")
        }
    }
}
