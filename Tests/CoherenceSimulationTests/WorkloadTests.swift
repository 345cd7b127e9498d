import Testing

@testable import CoherenceSimulation

/// Each pattern shares memory the way its name says.
@Suite struct WorkloadTests {
    private let processors = 8

    /// For each page: who reads it and who writes it.
    private func use(_ workload: Workload) -> [(readers: Set<Int>, writers: Set<Int>)] {
        let trace = workload.trace(processors: processors)
        var use = Array(repeating: (readers: Set<Int>(), writers: Set<Int>()), count: trace.pages)
        for (processor, list) in trace.processors.enumerated() {
            for access in list where access.kind != .barrier {
                if access.kind.isWrite {
                    use[Int(access.page)].writers.insert(processor)
                } else {
                    use[Int(access.page)].readers.insert(processor)
                }
            }
        }
        return use
    }

    @Test func streamSharesNothing() {
        #expect(use(.stream).allSatisfy { $0.readers.union($0.writers).count == 1 })
    }

    @Test func stencilSharesEdgesBetweenNeighboursOnly() {
        for page in use(.stencil) {
            #expect(page.writers.count == 1 && page.readers.count <= 2)
            #expect(page.readers.allSatisfy { reader in page.writers.allSatisfy { abs(reader - $0) <= 1 } })
        }
    }

    @Test func matrixIsReadByAllAndWrittenByOne() {
        let pages = use(.matrix)
        let b = pages[576..<1152]
        #expect(b.allSatisfy { $0.readers.count == processors && $0.writers.isEmpty })
        #expect(pages[1152...].allSatisfy { $0.writers.count == 1 && $0.readers.isEmpty })
    }

    @Test func reductionAndQueueHaveOnePageThatEveryoneWrites() {
        for workload in [Workload.reduction, .workQueue] {
            #expect(use(workload).filter { $0.writers.count == processors }.count == 1, "\(workload)")
        }
    }

    @Test func aRingHasOneProducerAndOneConsumer() {
        for page in use(.producerConsumer) where page.writers.count == 1 {
            #expect(page.readers.count == 1 && page.readers != page.writers)
        }
    }

    @Test func lockedPagesMigrate() {
        for page in use(.migratoryLock) { #expect(page.writers.count == processors) }
    }

    @Test func tablesAreWrittenByEveryone() {
        for (workload, pages) in [(Workload.gups, 2048), (.hashJoin, 1024)] {
            #expect(use(workload)[..<pages].filter { $0.writers.count > 1 }.count > pages * 9 / 10, "\(workload)")
        }
    }

    @Test func searchReadsListsAndMarksAtomically() {
        let pages = use(.bfs)
        #expect(pages[..<32].allSatisfy { $0.writers.count > 1 })
        #expect(pages[32...].allSatisfy { $0.writers.isEmpty })
    }

    /// KVM Forum 2025 (GiantVM): some twenty pages took most of a boot's traffic.
    @Test func twentyPagesTakeMostOfABootsSharing() {
        let pages = use(.boot)
        #expect(pages[..<20].filter { $0.writers.count > 1 }.count >= 15)
        #expect(pages[20...].allSatisfy { $0.writers.count <= 1 })
    }
}
