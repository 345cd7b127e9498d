internal import CGuestCheck

/// How far the memory check came.
package struct MemoryOutcome: Equatable, Sendable {
    package var totalPages: Int
    package var wantedPages: Int
    package var writtenPages = 0
    /// Read back by the node that wrote them.
    package var localPages = 0
    package var crossWantedPages: Int
    /// Read by another node (or another processor of the only node).
    package var crossPages = 0
    /// Each page that held something else, and who read it.
    package var wrong: [String] = []

    package init(totalPages: Int, wantedPages: Int, crossWantedPages: Int) {
        self.totalPages = totalPages
        self.wantedPages = wantedPages
        self.crossWantedPages = crossWantedPages
    }
}

/// One node's share of the pages, in page numbers of the whole mapping.
package struct MemoryPart: Equatable, Sendable {
    package let node: Int
    package let processors: [Int]
    package let pages: Range<Int>

    /// Splits `total` pages among the nodes that have processors, in proportion to their memory.
    package static func split(_ total: Int, among nodes: [Topology.Node]) -> [MemoryPart] {
        let nodes = nodes.filter { !$0.processors.isEmpty }
        let memory = max(1, nodes.reduce(0) { $0 + $1.memoryKiB })
        var start = 0
        var seen = 0
        return nodes.enumerated().map { index, node in
            seen += node.memoryKiB
            let end = index == nodes.count - 1 ? total : total / memory * seen + total % memory * seen / memory
            defer { start = end }
            return MemoryPart(node: node.id, processors: node.processors, pages: start..<end)
        }
    }

    /// `count` adjacent pieces of nearly the same size.
    package static func pieces(_ pages: Range<Int>, _ count: Int) -> [Range<Int>] {
        (0..<count).map {
            pages.lowerBound + pages.count * $0 / count..<pages.lowerBound + pages.count * ($0 + 1) / count
        }
    }

    /// At most `limit` pages of `pages` (all without a limit) in runs of up to `run` adjacent ones, spread evenly, the
    /// first and the last page included.
    package static func sample(_ pages: Range<Int>, limit: Int?, run: Int = 16) -> [Range<Int>] {
        guard let limit, limit < pages.count else {
            return stride(from: pages.lowerBound, to: pages.upperBound, by: 256).map {
                $0..<min($0 + 256, pages.upperBound)
            }
        }
        let runs = max(1, limit / run)
        let length = min(run, limit)
        guard runs > 1 else { return length > 0 ? [pages.upperBound - length..<pages.upperBound] : [] }
        return (0..<runs).map {
            let start = pages.lowerBound + (pages.count - length) * $0 / (runs - 1)
            return start..<start + length
        }
    }
}

extension Check {
    static let memory = Check(
        "memory", "a pattern over most of the memory, written by each node at home, read back there and on another node",
        minimumProcessors: 1, patience: { $0.memorySeconds + 120 }
    ) { (topology, options) throws(CheckError) in
        let total = topology.memoryKiB / 4
        let wanted = max(1, Int((Double(total) * options.fraction).rounded(.up)))
        // Page tables take 8 bytes a page. Asking first turns the end by the kernel's out-of-memory killer into a line.
        let needed = (wanted * 4 + wanted / 128) / 1024
        if let available = readText("/proc/meminfo").flatMap({ Topology.kibibytes("MemAvailable:", in: $0) }),
            available / 1024 < needed
        {
            return .fail("needs \(needed) MiB, \(available / 1024) MiB of \(topology.memoryKiB / 1024) are available")
        }
        let pages = try SharedPages(wanted)
        let parts = MemoryPart.split(wanted, among: topology.nodes)
        for part in parts where topology.nodes.count > 1 && !part.pages.isEmpty {
            // SAFETY: the range lies inside the mapping.
            let code = unsafe gc_prefer_node(
                pages.base + part.pages.lowerBound * pageSize, UInt64(part.pages.count * pageSize), Int32(part.node))
            guard code == 0 else { throw CheckError("mbind to node \(part.node)", errno: code) }
        }
        let deadline = monotonicNanoseconds() + UInt64(options.memorySeconds * 1e9)

        let own = chores(parts, shift: 0, limit: nil)
        let crossing = chores(parts, shift: 1, limit: options.verifyPages)
        var outcome = MemoryOutcome(
            totalPages: total, wantedPages: wanted,
            crossWantedPages: crossing.reduce(0) { $0 + $1.runs.reduce(0) { $0 + $1.count } })
        outcome.writtenPages = try sweep(pages, own, deadline, write: true).pages
        // What was not written in time has no contents to compare.
        guard outcome.writtenPages == wanted else { return judgeMemory(outcome, options) }
        let local = try sweep(pages, own, deadline, write: false)
        let cross = try sweep(pages, crossing, deadline, write: false)
        outcome.localPages = local.pages
        outcome.crossPages = cross.pages
        outcome.wrong = local.wrong + cross.wrong
        return judgeMemory(outcome, options)
    }

    private struct Chore: Sendable {
        var processor: Int
        var runs: [Range<Int>]
        var describe: String
    }

    /// Who handles which pages: with `shift` 0 each node its own part, with 1 the next node's (on one node: the next
    /// processor's piece).
    private static func chores(_ parts: [MemoryPart], shift: Int, limit: Int?) -> [Chore] {
        let processors = parts.reduce(0) { $0 + $1.processors.count }
        return parts.indices.flatMap { index -> [Chore] in
            let reader = parts[index]
            let owner = parts[(index + shift) % parts.count]
            let pieces = MemoryPart.pieces(owner.pages, reader.processors.count)
            return reader.processors.enumerated().map { rank, processor in
                let piece = pieces[(rank + shift) % pieces.count]
                return Chore(
                    processor: processor,
                    runs: MemoryPart.sample(piece, limit: limit.map { max(1, $0 / processors) }),
                    describe: "of node \(owner.node), read on processor \(processor) of node \(reader.node)")
            }
        }
    }

    /// Writes or checks all runs in parallel until the deadline: pages done, and what was wrong.
    private static func sweep(
        _ pages: SharedPages, _ chores: [Chore], _ deadline: UInt64, write: Bool
    ) throws(CheckError) -> (pages: Int, wrong: [String]) {
        let now = monotonicNanoseconds()
        let seconds = now < deadline ? Double(deadline - now) / 1e9 : 0
        let results = try Crew.run(on: chores.map(\.processor), seconds: seconds) { index, crew in
            var (done, wrong) = (0, [String]())
            for run in chores[index].runs where !crew.stopped && wrong.isEmpty {
                let (first, count) = (UInt64(run.lowerBound), UInt64(run.count))
                // SAFETY: runs lie inside the mapping; nobody writes while others check.
                if write {
                    unsafe gc_pattern_write(pages.base, first, count, patternSeed)
                } else {
                    let bad = unsafe gc_pattern_check(pages.base, first, count, patternSeed)
                    if bad != .max { wrong.append("page \(bad) \(chores[index].describe)") }
                }
                done += run.count
            }
            return (done, wrong)
        }
        return (results.reduce(0) { $0 + $1.0 }, results.flatMap(\.1))
    }

    private static let patternSeed: UInt64 = 0x5EED_0FA6_0044_77AA

    package static func judgeMemory(_ outcome: MemoryOutcome, _ options: Options) -> Verdict {
        if let first = outcome.wrong.first { return .fail("wrong contents: \(first)") }
        guard outcome.writtenPages == outcome.wantedPages, outcome.localPages == outcome.wantedPages,
            outcome.crossPages == outcome.crossWantedPages
        else {
            return .fail(
                "time limit of \(Int(options.memorySeconds)) s: written \(outcome.writtenPages) and read back "
                    + "\(outcome.localPages) of \(outcome.wantedPages) pages, read elsewhere \(outcome.crossPages) of "
                    + "\(outcome.crossWantedPages)")
        }
        guard Double(outcome.writtenPages) >= Double(outcome.totalPages) * options.fraction else {
            return .fail("only \(outcome.writtenPages) of \(outcome.totalPages) pages covered")
        }
        let percent = outcome.writtenPages * 100 / max(1, outcome.totalPages)
        return .ok("\(outcome.writtenPages) pages (\(percent)% of MemTotal), \(outcome.crossPages) read elsewhere")
    }
}
