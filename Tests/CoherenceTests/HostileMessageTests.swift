import Coherence
import Foundation
import Testing

/// The corpus of the fuzz target `FuzzEngine`, and mutations of it.
@Suite struct HostileMessageTests {
    private static let corpus = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fuzz/Corpus/engine")

    @Test func theCorpusAndItsMutationsAreAnsweredOrRefused() throws {
        let files = try FileManager.default.contentsOfDirectory(at: Self.corpus, includingPropertiesForKeys: nil).sorted { $0.path < $1.path }
        var (accepted, refused) = (0, 0)
        var random = SystemRandomNumberGenerator()
        for file in files {
            let input = [UInt8](try Data(contentsOf: file))
            let outcome = HostileMessages.run(input)
            accepted += outcome.accepted
            refused += outcome.isRefused ? 1 : 0
            for _ in 0..<20 {
                var mutated = input
                for _ in 0..<3 { mutated[Int.random(in: mutated.indices, using: &random)] = UInt8.random(in: 0...255, using: &random) }
                HostileMessages.run(mutated)
            }
        }
        #expect(files.count >= 20 && accepted > 100 && refused > 5, "\(files.count) inputs, \(accepted) messages accepted, \(refused) refused")
    }

    /// Node 1, where a processor waits for a page of node 0.
    private struct Waiting: ~Copyable {
        private var engine: Engine
        private var effects = EffectBuffer()

        init() throws {
            let homes = try HomeMap([.init(first: PageNumber(0), count: 8, home: NodeID(0)), .init(first: PageNumber(8), count: 8, home: NodeID(1))])
            engine = Engine(
                configuration: EngineConfiguration(node: NodeID(1), nodeCount: 4, homes: homes, cacheLimit: 8, outstandingFaults: 8, policies: .none))
            engine.fault(PageNumber(2), isWrite: true, now: Instant(nanoseconds: 1), effects: &effects)
        }

        mutating func receive(_ kind: Message.Kind, from sender: UInt8, requester: UInt8 = 0, acks: UInt8 = 0) throws {
            var bytes = [UInt8](repeating: 0, count: Message.encodedSize)
            (bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]) = (kind.rawValue, kind == .data ? 1 : 0, requester, acks, 2)
            let message = Message(decoding: bytes.span, nodeCount: 4, totalPages: 16)
            try engine.receive(#require(message), from: NodeID(sender), now: Instant(nanoseconds: 2), effects: &effects)
        }
    }

    /// A home that says the same again is refused; before, it filled the table of what waits and stopped the node.
    @Test(arguments: [false, true]) func aHomeThatRepeatsAForwardIsRefused(hasArrived: Bool) throws {
        var node = try Waiting()
        if hasArrived { try node.receive(.data, from: 0) }
        for requester: UInt8 in [0, 2, 3] { try node.receive(.forwardShared, from: 0, requester: requester) }
        for requester: UInt8 in [0, 2, 3] {
            do {
                try node.receive(.forwardShared, from: 0, requester: requester)
                Issue.record("taken again for node \(requester)")
            } catch let error as ProtocolViolation {
                #expect(error.from == NodeID(0))
            }
        }
    }

    /// More acknowledgements than there are copies: the page would never be complete.
    @Test func moreAcknowledgementsThanCopiesAreRefused() throws {
        var node = try Waiting()
        for sender: UInt8 in [2, 3] { try node.receive(.invalidateAck, from: sender) }
        do {
            try node.receive(.data, from: 0, acks: 1)
            Issue.record("taken")
        } catch let error as ProtocolViolation {
            #expect(error.from == NodeID(0))
        }
    }
}
