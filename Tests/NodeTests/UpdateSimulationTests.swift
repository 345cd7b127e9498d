import Contract
import TestSupport
import Testing

@testable import Node

/// A machine of nodes whose sticks, links and power fail at random, while its firmware is updated.
private struct UpdateSimulator {
    private struct Node {
        var participant: UpdateParticipant
        var hasPower = true
        /// What the stick has to do next.
        var isPreparing = false, isActivating = false
        var isPrepared = false, isActive = false
        var bundle: [UInt8] = []
    }

    enum Fault: CaseIterable { case none, refusal, stickAtCommit, nodeDies, coordinatorDies, noMemory }

    private enum Choice { case deliver(Int, Int), finishPreparing(Int), finishActivating(Int) }

    private var nodes: [Node] = []
    private var channels: [[[UpdateMessage]]]
    private(set) var coordinator: UpdateCoordinator
    private var random: SeededGenerator
    private let fault: Fault
    private let victim: Int
    private let bundle: [UInt8]
    private var now: UInt64 = 1
    private(set) var steps = 0

    init(count: Int, fault: Fault, seed: UInt64) {
        random = SeededGenerator(seed: seed)
        self.fault = fault
        victim = Int.random(in: 1..<max(count, 2), using: &random) % count
        let size = Int.random(in: 1...5 * UpdateMessage.pieceSize, using: &random)
        let bundle = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        self.bundle = bundle
        channels = Array(repeating: Array(repeating: [], count: count), count: count)
        for index in 0..<count {
            let refuses = fault == .noMemory && index == victim
            nodes.append(Node(participant: UpdateParticipant(limit: 1 << 20) { _ in refuses ? UpdateRefusal(.unavailable, "no memory") : nil }))
        }
        coordinator = UpdateCoordinator(attempt: seed, bundle: bundle, nodes: NodeIndex.all(of: count), on: 0, now: now)
    }

    var isActive: [Bool] { nodes.map(\.isActive) }
    var isPrepared: [Bool] { nodes.map(\.isPrepared) }
    var living: [Int] { nodes.indices.filter { nodes[$0].hasPower } }
    /// Whether every living node takes the next update.
    var isIdle: Bool {
        living.allSatisfy { index in
            var participant = nodes[index].participant
            let effects = participant.handle(.message(UpdateMessage(attempt: 0, .offer(length: 1)), from: 15))
            return effects == [.reply(UpdateMessage(attempt: 0, .received(0)), to: 15)] || (fault == .noMemory && index == victim)
        }
    }

    /// Runs until nothing is left to do.
    mutating func run() {
        while steps < 20_000, step() { steps += 1 }
    }

    private mutating func step() -> Bool {
        now += UInt64.random(in: 0...UpdateCoordinator.pace, using: &random)
        if (fault == .nodeDies || fault == .coordinatorDies), steps == Int(bundle[bundle.count / 2]) % 60 { die(fault == .nodeDies ? victim : 0) }
        if nodes[0].hasPower { for (message, node) in coordinator.next(now: now) { channels[0][node.position].append(message) } }
        var choices: [Choice] = []
        for from in channels.indices {
            for to in channels.indices where !channels[from][to].isEmpty { choices.append(.deliver(from, to)) }
        }
        for index in living where nodes[index].isPreparing { choices.append(.finishPreparing(index)) }
        for index in living where nodes[index].isActivating { choices.append(.finishActivating(index)) }
        switch choices.randomElement(using: &random) {
        case .deliver(let from, let to)?: deliver(from, to)
        case .finishPreparing(let index)?: finishPreparing(index)
        case .finishActivating(let index)?: finishActivating(index)
        case nil: return coordinator.outcome == nil && nodes[0].hasPower && steps < 10_000
        }
        return true
    }

    private mutating func deliver(_ from: Int, _ to: Int) {
        let message = channels[from][to].removeFirst()
        guard nodes[to].hasPower else { return }
        switch message.content {
        case .offer, .piece, .commit, .abandon: feed(.message(message, from: NodeIndex(from)), to)
        case .received, .prepared, .committed, .refused: coordinator.hear(message, from: NodeIndex(from), now: now)
        }
    }

    private mutating func feed(_ input: UpdateParticipant.Input, _ index: Int) {
        for effect in nodes[index].participant.handle(input) {
            switch effect {
            case .reply(let message, let node): channels[index][node.position].append(message)
            case .prepare(let bundle):
                #expect(bundle == self.bundle)
                nodes[index].isPreparing = true
            case .cancel: break
            case .activate:
                // The one promise: nobody goes over before everybody could.
                let isEverywhere = !isPrepared.contains(false)
                #expect(isEverywhere)
                nodes[index].isActivating = true
            }
        }
    }

    private mutating func finishPreparing(_ index: Int) {
        nodes[index].isPreparing = false
        if fault == .refusal, index == victim { return feed(.prepared(.failure(UpdateRefusal(.inputOutput, "the stick is defective"))), index) }
        nodes[index].isPrepared = true
        feed(.prepared(.success("prepared")), index)
    }

    private mutating func finishActivating(_ index: Int) {
        nodes[index].isActivating = false
        if fault == .stickAtCommit, index == victim { return feed(.activated(.failure(UpdateRefusal(.inputOutput, "the stick is gone"))), index) }
        nodes[index].isActive = true
        feed(.activated(.success(())), index)
    }

    private mutating func die(_ index: Int) {
        guard nodes[index].hasPower else { return }
        nodes[index].hasPower = false
        for other in channels.indices {
            // What was on its way from it may still arrive, or not.
            if Bool.random(using: &random) { channels[index][other] = [] }
            channels[other][index] = []
        }
        for other in living { feed(.lost(NodeIndex(index)), other) }
        coordinator.lost(NodeIndex(index))
    }
}

@Suite struct UpdateSimulationTests {
    /// 1 800 updates of machines of 1 to 5 nodes.
    @Test(arguments: UpdateSimulator.Fault.allCases)
    fileprivate func aFirmwareIsStartedNowhereBeforeEveryNodeHasIt(fault: UpdateSimulator.Fault) {
        for seed in 0..<300 as Range<UInt64> {
            var simulator = UpdateSimulator(count: Int(seed % 5) + 1, fault: fault, seed: seed)
            simulator.run()
            let (active, prepared, isIdle, isDecided) = (simulator.isActive, simulator.isPrepared, simulator.isIdle, simulator.coordinator.isDecided)
            #expect(!active.contains(true) || !prepared.contains(false), "seed \(seed): started without being everywhere")
            #expect(isDecided || !active.contains(true), "seed \(seed)")
            #expect(isIdle, "seed \(seed): a node takes no other update")
            switch (fault, simulator.coordinator.outcome) {
            case (.none, .success(let words)?): #expect(words.count == active.count && !active.contains(false), "seed \(seed)")
            case (.refusal, .failure(let refusal)?):
                #expect(refusal.exitStatus == .inputOutput && refusal.description.contains("the stick is defective; every node keeps its firmware") && !active.contains(true), "seed \(seed)")
            case (.noMemory, .failure(let refusal)?): #expect(refusal.exitStatus == .unavailable && !active.contains(true), "seed \(seed)")
            case (.stickAtCommit, .failure(let refusal)?): #expect(refusal.description.contains("run the update again"), "seed \(seed)")
            case (.nodeDies, .failure(let refusal)?): #expect(refusal.exitStatus == .nodeLost, "seed \(seed)")
            case (.nodeDies, .success?): #expect(!active.contains(false), "seed \(seed): the node died behind the end")
            case (.coordinatorDies, _): break
            case (_, let outcome): Issue.record("seed \(seed): \(String(describing: outcome))")
            }
        }
    }

    private func message(_ content: UpdateMessage.Content, _ attempt: UInt64 = 7) -> UpdateMessage { UpdateMessage(attempt: attempt, content) }

    @Test func aNodeTakesOneUpdateAtATime() {
        var participant = UpdateParticipant(limit: 100) { _ in nil }
        #expect(participant.handle(.message(message(.offer(length: 101)), from: 1)).count == 1, "too long")
        #expect(participant.handle(.message(message(.offer(length: 4)), from: 1)) == [.reply(message(.received(0)), to: 1)])
        let refused = participant.handle(.message(message(.offer(length: 4), 8), from: 2))
        guard case .reply(let answer, to: 2)? = refused.first, case .refused(let refusal) = answer.content else { return #expect(Bool(false), "\(refused)") }
        #expect(answer.attempt == 8 && refusal.description.contains("another update is under way"))
        // Only the node that began it goes on with it.
        #expect(participant.handle(.message(message(.piece(offset: 0, [1])), from: 2)).isEmpty)
        #expect(participant.handle(.message(message(.piece(offset: 0, [1]), 8), from: 1)).isEmpty)
        #expect(participant.handle(.message(message(.commit), from: 1)).isEmpty, "nothing is prepared")
        #expect(participant.handle(.message(message(.piece(offset: 0, [1, 2])), from: 1)) == [.reply(message(.received(2)), to: 1)])
        #expect(participant.handle(.message(message(.piece(offset: 2, [3, 4])), from: 1)) == [.reply(message(.received(4)), to: 1), .prepare([1, 2, 3, 4])])
        #expect(participant.handle(.message(message(.abandon), from: 1)) == [.cancel])
        #expect(participant.handle(.message(message(.offer(length: 4), 9), from: 1)).count == 1, "the stick is still being written")
        #expect(participant.handle(.prepared(.success("late"))).isEmpty)
        #expect(participant.handle(.message(message(.offer(length: 4), 10), from: 1)) == [.reply(message(.received(0), 10), to: 1)])
    }

    @Test(arguments: [(1, [5] as [UInt8]), (0, [1, 2, 3, 4, 5]), (Int(UInt32.max), [1])])
    func piecesThatDoNotFitEndTheUpdate(offset: Int, bytes: [UInt8]) {
        var participant = UpdateParticipant(limit: 100) { _ in nil }
        _ = participant.handle(.message(message(.offer(length: 4)), from: 1))
        let effects = participant.handle(.message(message(.piece(offset: UInt32(offset), bytes)), from: 1))
        guard case .reply(let answer, to: 1)? = effects.first, case .refused = answer.content else { return #expect(Bool(false), "\(effects)") }
        #expect(effects.count == 1)
        #expect(participant.handle(.message(message(.offer(length: 4), 8), from: 1)) == [.reply(message(.received(0), 8), to: 1)])
    }

    /// What else travels on the control connection waits for two pieces at most.
    @Test func fewBytesAreOnTheirWayAtATime() {
        let size = 20 * UpdateMessage.pieceSize
        var coordinator = UpdateCoordinator(attempt: 1, bundle: [UInt8](repeating: 1, count: size), nodes: NodeIndex.all(of: 2), on: 0, now: 0)
        #expect(coordinator.next(now: 0).count == 2)
        coordinator.hear(UpdateMessage(attempt: 1, .received(0)), from: 1, now: 0)
        var (now, sent, arrived) = (UInt64(0), 0, 0)
        while sent < size, now < 1_000_000_000 {
            for (message, node) in coordinator.next(now: now) where node == 1 {
                guard case .piece(let offset, let bytes) = message.content else { continue }
                #expect(Int(offset) == sent && bytes.count <= UpdateMessage.pieceSize)
                sent += bytes.count
            }
            #expect(sent - arrived <= UpdateCoordinator.window)
            // The peer answers every third look.
            if now % 3_000_000 == 0, arrived < sent {
                arrived += UpdateMessage.pieceSize
                coordinator.hear(UpdateMessage(attempt: 1, .received(UInt32(arrived))), from: 1, now: now)
            }
            now += 1_000_000
        }
        #expect(sent == size && now >= 19 * UpdateCoordinator.pace)
    }

    @Test func aNodeThatSaysNothingEndsTheUpdate() {
        var coordinator = UpdateCoordinator(attempt: 1, bundle: [1], nodes: NodeIndex.all(of: 2), on: 0, now: 0)
        _ = coordinator.next(now: 1)
        #expect(coordinator.outcome == nil)
        _ = coordinator.next(now: UpdateCoordinator.patience + 1)
        guard case .failure(let refusal)? = coordinator.outcome else { return #expect(Bool(false), "it waits") }
        #expect(refusal.exitStatus == .timeout)
    }
}
