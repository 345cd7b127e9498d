import Coherence
import Testing

@testable import CoherenceSimulation

@Suite struct SimulationTests {
    private let network = NetworkModel(
        name: "test", wire: 1_000, bandwidth: 1_000_000_000, sendOverhead: 10, receiveOverhead: 20, framing: 76, trap: 3, wake: 5,
        pageOperation: 7)
    private static let everyone: [SimulatedProtocol] = [.engine(.all), .engine(.none)] + SimulatedProtocol.baselines

    /// One read of another node's page, with the time of each step added up by hand.
    @Test(arguments: everyone)
    func aReadFaultTakesWhatItsStepsTake(kind: SimulatedProtocol) throws {
        // Two pages: page 0 is at home on node 0, page 1 on node 1; node 1 reads page 0.
        let trace = Trace(processors: [
            [Access(time: 0, page: 0, kind: .read)], [Access(time: 50, page: 0, kind: .read), Access(time: 60, page: 1, kind: .read)],
        ])
        guard kind != .engine(.none) else { return }
        let result = try Comparison.run(kind, trace, nodes: 2, network: network)
        let request: UInt64 = 10 + 100 + 1_000 + 20  // sent, 24 bytes and framing at a byte a nanosecond, on the wire, taken in
        let answer: UInt64 = 7 + 10 + 4_196 + 1_000 + 20  // made read-only, sent with the contents
        let stall = 3 + request + answer + 7 + 5
        #expect(result.stall == stall, "\(kind)")
        #expect(result.time == 60 + stall)
        #expect(result.remoteFaults == 1 && result.messages == 2 && result.bytes == 24 + 24 + 4096 && result.accesses == 3)
    }

    /// Node 1 takes page 0 in twice, for its first read and after node 0's write, and page 2, fresh, for nothing; node 0 takes in nothing.
    @Test func theLeastStallIsThatOfThePagesAtTheirPorts() {
        let trace = Trace(processors: [
            [Access(time: 0, page: 0, kind: .read), Access(time: 100, page: 0, kind: .write)],
            [
                Access(time: 50, page: 0, kind: .read), Access(time: 60, page: 2, kind: .write), Access(time: 150, page: 0, kind: .read),
                Access(time: 160, page: 0, kind: .read),
            ],
        ])
        #expect(TransferBound.stall(trace, nodes: 2, network: network) == 2 * (4096 + 76) - 160)
        #expect(TransferBound.stall(trace, nodes: 1, network: network) == 0)
    }

    @Test(arguments: SimulatedProtocol.baselines, Workload.allCases)
    func noPublishedProtocolStallsLessThanTheLeast(kind: SimulatedProtocol, workload: Workload) throws {
        let trace = workload.trace(processors: 4, seed: 1)
        let result = try Comparison.run(kind, trace, nodes: 4, network: .gigabitEthernet)
        #expect(result.stall >= TransferBound.stall(trace, nodes: 4, network: .gigabitEthernet))
    }

    /// Two messages to one node share its port; two on different pairs do not wait for each other.
    @Test func portsTakeOneMessageAfterTheOther() throws {
        func stall(readers: [Int]) throws -> [UInt64] {
            try readers.map { count in
                var lists = [[Access(time: 0, page: 0, kind: .read)]]
                for reader in 1...3 { lists.append([Access(time: 1, page: reader <= count ? 0 : UInt32(reader), kind: .read)]) }
                return try Comparison.run(.ivyFixed, Trace(processors: lists), nodes: 4, network: network).stall
            }
        }
        let stalls = try stall(readers: [1, 2, 3])
        // The second reader waits for the first one's page to leave the owner's port, the third for two.
        #expect(stalls[1] - 2 * stalls[0] > 4_000 && stalls[2] - 3 * stalls[0] > 12_000, "\(stalls)")
    }

    /// The same input gives the same result, and every access is made, whatever the protocol.
    @Test(arguments: [Workload.gups, .producerConsumer, .migratoryLock, .bfs, .boot])
    func everyProtocolRunsEveryAccess(workload: Workload) throws {
        let trace = workload.trace(processors: 4)
        for kind in Self.everyone {
            for nodes in [2, 4] {
                let result = try Comparison.run(kind, trace, nodes: nodes, network: .gigabitEthernet)
                #expect(result.accesses == UInt64(trace.count) && result.remoteFaults > 0, "\(kind) on \(nodes) nodes")
                #expect(result.time >= trace.duration)
                if nodes == 4 {
                    #expect(try Comparison.run(kind, trace, nodes: nodes, network: .gigabitEthernet) == result)
                }
            }
        }
    }

    /// A busy protocol thread takes a page away when it comes to that, not when it was asked to: else processors whose page has come
    /// never get to use it.
    @Test(arguments: SimulatedProtocol.baselines)
    func aBusyThreadTakesNoPageBeforeItsTime(kind: SimulatedProtocol) throws {
        let slow = NetworkModel(
            name: "test", wire: 1_000, bandwidth: 1_000_000_000, sendOverhead: 10, receiveOverhead: 1_000_000, framing: 76, trap: 3, wake: 5,
            pageOperation: 7)
        // Node 1 asks for both pages of node 0 at once; node 0's thread takes the second request in after 2 ms, and meanwhile its processor
        // writes that page.
        let trace = Trace(processors: [
            [Access(time: 1_500_000, page: 1, kind: .write)], [], [Access(time: 0, page: 0, kind: .write)],
            [Access(time: 0, page: 1, kind: .write), Access(time: 9_000_000, page: 3, kind: .write)],
        ])
        #expect(try Comparison.run(kind, trace, nodes: 2, network: slow).remoteFaults == 2)
    }

    @Test func oneNodeWaitsForNobody() throws {
        let trace = Workload.stream.trace(processors: 2)
        for kind in Self.everyone {
            let result = try Comparison.run(kind, trace, nodes: 1, network: .gigabitEthernet)
            #expect(result.messages == 0 && result.remoteFaults == 0 && result.bytes == 0, "\(kind)")
        }
    }

    @Test func aSmallCacheCostsMoreAndStaysCorrect() throws {
        let trace = Workload.matrix.trace(processors: 4)
        let whole = try Comparison.run(.engine(.all), trace, nodes: 2, network: .gigabitEthernet)
        let small = try Comparison.run(.engine(.all), trace, nodes: 2, network: .gigabitEthernet, cachePercent: 5)
        #expect(small.accesses == whole.accesses && small.remoteFaults > whole.remoteFaults)
    }

    /// Of a page that went the same way before only what changed since is sent, and all of it when that is not shorter.
    @Test func onlyWhatChangedIsOnTheWire() {
        var transfers = TransferModel(nodes: 3, pages: 4)
        #expect(transfers.send(1, from: 0, to: 1) == 4096)
        #expect(transfers.send(1, from: 0, to: 1) == 8)
        transfers.changed(1, bytes: 8)
        transfers.changed(1, bytes: 100)
        #expect(transfers.send(1, from: 1, to: 0) == 4096)
        #expect(transfers.send(1, from: 0, to: 1) == 8 + 3 * 64)
        transfers.changed(1, bytes: 4096)
        #expect(transfers.send(1, from: 0, to: 1) == 4096)
        #expect(transfers.send(1, from: 0, to: 2) == 4096)
    }

    @Test func differencesMakeABouncingPageCheap() throws {
        let trace = Workload.reduction.trace(processors: 4)
        let all = try Comparison.run(.engine(.all), trace, nodes: 4, network: .gigabitEthernet)
        let whole = try Comparison.run(.engine(.all.subtracting(.differenceTransfer)), trace, nodes: 4, network: .gigabitEthernet)
        #expect(all.bytes * 10 < whole.bytes * 9 && all.stall * 10 < whole.stall * 9, "\(all) \(whole)")
    }

    /// Eight nodes read the same pages, of three homes, at once.
    @Test func readersTakeTheLoadOffABusyHome() throws {
        let trace = Workload.matrix.trace(processors: 8)
        let all = try Comparison.run(.engine(.all), trace, nodes: 8, network: .gigabitEthernet)
        let alone = try Comparison.run(.engine(.all.subtracting(.readerRelay)), trace, nodes: 8, network: .gigabitEthernet)
        #expect(all.stall * 10 < alone.stall * 9, "\(all) \(alone)")
    }

    @Test func fasterNetworksStallLess() throws {
        let trace = Workload.stencil.trace(processors: 4)
        for kind in Self.everyone {
            let stalls = try [NetworkModel.gigabitEthernet, .tenGigabitEthernet, .infiniBand].map {
                try Comparison.run(kind, trace, nodes: 4, network: $0).stall
            }
            #expect(stalls[0] > stalls[1] && stalls[1] > stalls[2], "\(kind) \(stalls)")
        }
    }
}
