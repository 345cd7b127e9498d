import Coherence
import Glibc
import KVM
import Synchronization
import TestSupport
import Testing

@testable import Node

/// The coherence loop of several nodes with several pages at once, without guests.
@Suite(.enabled(if: hasKVM, needsKVM), .serialized, .timeLimit(.minutes(2)))
struct SharedMemoryTests {
    /// Threads of every node add to counters in pages of every home. None is lost, and all threads come to their end.
    @Test(arguments: [2, 3, 4], [nil, 24]) func noAdditionIsLost(nodes: Int, cachePages: Int?) throws {
        try addFromAllNodes(try SharedMemory(nodes: nodes, pages: 96 * nodes, cachePages: cachePages ?? 96 * nodes, minimumHold: 50_000))
    }

    /// The loop runs over any link that keeps `PageLink`'s promises: this one has buffers instead of a stream, and so few that messages wait.
    @Test(arguments: [2, 3], [1, 4]) func noAdditionIsLostOverLinksOfBuffers(nodes: Int, credits: Int) throws {
        let machine = try SharedMemory(
            nodes: nodes, pages: 96 * nodes, cachePages: 24, minimumHold: 50_000, over: .buffers(credits))
        try addFromAllNodes(machine) {
            let waited = try (0..<nodes).reduce(UInt64(0)) { $0 + (try #require(machine.snapshot(of: $1))).sendOverflows }
            #expect(credits > 1 || waited > 0, "a link of one buffer has no room now and then")
        }
    }

    private func addFromAllNodes(_ machine: SharedMemory, then check: () throws -> Void = {}) throws {
        defer { machine.stop() }
        let (nodes, pages) = (machine.nodes, machine.pages)
        let counters = 40
        let additions = 2000
        let done = (0..<2 * nodes).map { thread in
            onThread { () -> Bool in
                var random = SeededGenerator(seed: UInt64(thread))
                for _ in 0..<additions {
                    let counter = Int(random.next() % UInt64(counters))
                    unsafe machine.word(Self.place(counter, pages), on: thread % nodes).pointee.add(1, ordering: .sequentiallyConsistent)
                }
                return true
            }
        }
        for (thread, promise) in done.enumerated() {
            #expect(promise.wait(seconds: 30) != nil, "thread \(thread) has not ended: \(machine.log.all)")
        }
        let sum = (0..<counters).reduce(UInt64(0)) {
            $0 + (unsafe machine.word(Self.place($1, pages), on: 0).pointee.load(ordering: .sequentiallyConsistent))
        }
        #expect(sum == UInt64(2 * nodes * additions))
        #expect(machine.log.all == [])
        try check()
    }

    private static func place(_ counter: Int, _ pages: Int) -> Int { counter * 7919 % pages * SharedMemory.pageSize + 8 * (counter % 512) }

    /// Stores and loads of words that lie across two pages of different homes need both at once; every node keeps at it.
    @Test(arguments: [2, 3]) func wordsAcrossTwoPagesAreReachedByAll(nodes: Int) throws {
        let pages = 32 * nodes
        let machine = try SharedMemory(nodes: nodes, pages: pages, cachePages: pages, minimumHold: 50_000)
        defer { machine.stop() }
        let done = (0..<2 * nodes).map { thread in
            onThread { () -> Int in
                var random = SeededGenerator(seed: UInt64(thread))
                var count = 0
                for _ in 0..<1500 {
                    let page = 30 + Int(random.next() % 4) + 32 * Int(random.next() % UInt64(nodes - 1))
                    let place = unsafe machine.address(page * SharedMemory.pageSize - 4, on: thread % nodes)
                    unsafe place.storeBytes(of: random.next(), as: UInt64.self)
                    count += unsafe place.loadUnaligned(as: UInt64.self) == 0 ? 0 : 1
                }
                return count
            }
        }
        for (thread, promise) in done.enumerated() {
            #expect(promise.wait(seconds: 30) != nil, "thread \(thread) has not ended: \(machine.log.all)")
        }
        #expect(machine.log.all == [])
    }

    /// Pages that go to and fro with a word changed in each travel as differences, which the other node puts together again.
    @Test(arguments: [true, false]) func onlyWhatChangedTravels(isOn: Bool) throws {
        let policies: PolicySet = isOn ? [.readReplication, .differenceTransfer] : [.readReplication]
        let machine = try SharedMemory(nodes: 2, pages: 16, cachePages: 16, minimumHold: 0, policies: policies)
        defer { machine.stop() }
        var random = SeededGenerator(seed: 7)
        var expected: [UInt64] = (0..<512).map { _ in random.next() }
        for (index, value) in expected.enumerated() { unsafe machine.word(8 * index, on: 0).pointee.store(value, ordering: .releasing) }
        for round in 1...100 {
            let index = Int(random.next() % 512)
            expected[index] = random.next()
            unsafe machine.word(8 * index, on: round % 2).pointee.store(expected[index], ordering: .releasing)
            let seen = (0..<512).map { unsafe machine.word(8 * $0, on: (round + 1) % 2).pointee.load(ordering: .acquiring) }
            #expect(seen == expected, "round \(round)")
        }
        let snapshots = try [0, 1].map { try #require(machine.snapshot(of: $0)) }
        let bytes = snapshots.reduce(0) { $0 + $1.bytesSent }
        let spared = snapshots.reduce(0) { $0 + $1.bytesSpared }
        #expect(isOn ? bytes < 100_000 && spared > 300_000 : bytes > 400_000 && spared == 0, "\(bytes) bytes, \(spared) spared")
    }

    /// Three nodes read what a fourth has written, whose port takes a millisecond for a page: they answer each other, round by round.
    @Test func readersOfABusyHomeAnswerEachOther() throws {
        let pages = 128
        let machine = try SharedMemory(nodes: 4, pages: pages, cachePages: pages, minimumHold: 50_000, pageTime: 1_000_000)
        defer { machine.stop() }
        for round in 1...10 {
            for page in 0..<32 {
                unsafe machine.word(page * SharedMemory.pageSize, on: 0).pointee.store(UInt64(round * 100 + page), ordering: .releasing)
            }
            let readers = (1..<4).map { node in
                onThread {
                    (0..<32).map { page in
                        let place = (page * 7 + node) % 32
                        return unsafe machine.word(place * SharedMemory.pageSize, on: node).pointee.load(ordering: .acquiring) - UInt64(place)
                    }
                }
            }
            for reader in readers {
                #expect(reader.wait(seconds: 20) == [UInt64](repeating: UInt64(round * 100), count: 32), "round \(round): \(machine.log.all)")
            }
        }
        #expect(try (1..<4).reduce(UInt64(0)) { $0 + (try #require(machine.snapshot(of: $1))).statistics.readsRelayed } > 50)
        #expect(machine.log.all == [])
    }

    /// One node writes rising numbers through all pages in order; another that reads them in the opposite order never sees
    /// a number that is followed by a greater one (Intel SDM 3A, 8.2.2: stores become visible in their order).
    @Test(arguments: [2, 3]) func storesBecomeVisibleInTheirOrder(nodes: Int) throws {
        let pages = 32 * nodes
        let machine = try SharedMemory(nodes: nodes, pages: pages, cachePages: pages, minimumHold: 50_000)
        defer { machine.stop() }
        let places = (0..<pages).map { $0 * SharedMemory.pageSize + 8 * ($0 % 512) }
        let writer = onThread { () -> Bool in
            for number in 1...100 {
                for place in places { unsafe machine.word(place, on: 0).pointee.store(UInt64(number), ordering: .releasing) }
            }
            return true
        }
        let readers = (1..<nodes).map { node in
            onThread { () -> String? in
                var last = UInt64(0)
                while last < 100 {
                    var least = UInt64(0)
                    for place in places.reversed() {
                        let seen = unsafe machine.word(place, on: node).pointee.load(ordering: .acquiring)
                        if seen < least { return "node \(node) saw \(seen) at \(place) after \(least) behind it" }
                        least = seen
                    }
                    last = unsafe machine.word(places[places.count - 1], on: node).pointee.load(ordering: .acquiring)
                }
                return ""
            }
        }
        #expect(writer.wait(seconds: 50) != nil, "the writer has not ended: \(machine.log.all)")
        for promise in readers { #expect(promise.wait(seconds: 50) == "", "\(machine.log.all)") }
        #expect(machine.log.all == [])
    }
}
