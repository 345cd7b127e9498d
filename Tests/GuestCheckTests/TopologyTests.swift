import GuestChecks
import Testing

@Suite struct TopologyTests {
    private let uneven = Topology(
        nodes: [
            .init(id: 0, processors: [0], memoryKiB: 400 * 1024),
            .init(id: 1, processors: [1, 2], memoryKiB: 600 * 1024),
        ], memoryKiB: 1000 * 1024)

    @Test func kernelListsAreParsed() {
        #expect(Topology.numberList("0-2,5\n") == [0, 1, 2, 5])
        #expect(Topology.numberList("\n") == [])
        #expect(Topology.numberList("3-1") == nil)
        #expect(Topology.numberList("a") == nil)
        #expect(Topology.kibibytes("MemTotal:", in: "Node 1 MemTotal:  512 kB\n") == 512)
        #expect(Topology.kibibytes("MemFree:", in: "MemTotal: 512 kB\n") == nil)
    }

    @Test func threadsAreSpreadOverNodes() {
        #expect(uneven.spread == [0, 1, 2])
        #expect(uneven.pairs.map { [$0.0, $0.1] } == [[0, 1], [1, 0]])
        let single = Topology(nodes: [.init(id: 0, processors: [4], memoryKiB: 1)], memoryKiB: 1)
        #expect(single.pairs.isEmpty)
    }

    @Test func anUnexpectedMachineFails() throws {
        let asked = try Options(arguments: [])
        let facts = [(0, 0), (1, 1), (2, 1)].map { processor, node in
            ProcessorFacts(
                processor: processor, node: node, ranOn: processor, ranOnNode: node, x2apicID: UInt32(processor),
                features: [1])
        }
        func verdict(_ change: (inout Options, inout [ProcessorFacts]) -> Void) -> Verdict {
            var options = asked
            var facts = facts
            change(&options, &facts)
            return Check.judgeTopology(uneven, facts, options)
        }
        let right = verdict { options, _ in
            (options.expectedProcessors, options.expectedNodes, options.expectedMemoryMiB) = (3, 2, 1111)
        }
        #expect(right == .ok("3 processors, 2 nodes, 1000 MiB"))
        for wrong in [
            verdict { options, _ in options.expectedProcessors = 4 },
            verdict { options, _ in options.expectedNodes = 3 },
            verdict { options, _ in options.expectedMemoryMiB = 1112 },
            verdict { _, facts in facts[1].ranOn = 0 },
            verdict { _, facts in facts[1].ranOnNode = 0 },
            verdict { _, facts in facts[2].features = [2] },
            verdict { _, facts in facts[2].x2apicID = 1 },
        ] {
            guard case .fail = wrong else {
                Issue.record("accepted: \(wrong)")
                continue
            }
        }
    }

    @Test func memoryIsSplitWithoutGapsOrOverlap() {
        for total in [1, 2, 3, 1000, 187_501] {
            let parts = MemoryPart.split(total, among: uneven.nodes)
            #expect(parts.map(\.pages.lowerBound) == [0, parts[0].pages.upperBound])
            #expect(parts.last?.pages.upperBound == total)
            let pieces = MemoryPart.pieces(parts[1].pages, 3)
            #expect(pieces.reduce(0) { $0 + $1.count } == parts[1].pages.count)
        }
    }

    @Test func samplesStayInsideAndReachBothEnds() {
        let all = MemoryPart.sample(100..<1000, limit: nil)
        #expect(all.reduce(0) { $0 + $1.count } == 900)
        let some = MemoryPart.sample(100..<1000, limit: 64)
        #expect(some.count == 4 && some.first?.lowerBound == 100 && some.last?.upperBound == 1000)
        #expect(MemoryPart.sample(100..<1000, limit: 3) == [997..<1000])
        #expect(MemoryPart.sample(5..<5, limit: nil).isEmpty)
    }

    @Test func optionsAreCheckedAndLinesHaveTheirForm() throws {
        let options = try Options(arguments: ["clock", "--seconds", "0.5", "--verify-pages", "10"])
        #expect(options.names == ["clock"] && options.seconds == 0.5 && options.verifyPages == 10)
        for wrong in [["no-such-check"], ["--seconds", "0"], ["--fraction"], ["--expect-cpus", "x"], ["--what", "1"]] {
            #expect(throws: CheckError.self) { _ = try Options(arguments: wrong) }
        }
        #expect(GuestCheckCommand.line("clock", .fail("bad"), milliseconds: 3) == "guest-check: clock FAIL bad (3 ms)")
        #expect(GuestCheckCommand.summary(passed: 3, failed: 1, skipped: 0) == "guest-check: 3 passed, 1 failed")
    }
}
