import Bytes
import Contract
import TestSupport
import Testing

@testable import Interconnect

/// Who hears whom, and what follows from it; each run from one seed, which a failure names.
@Suite struct WatchTests {
    private static let second = WatchSimulator.second
    private static let seeds = (UInt64(1)...9).map { $0 } + [UInt64.random(in: 1000 ... .max)]
    /// A loss is to be told within 2 s after the outage; agreeing takes a part of that.
    private static let limit = 6_300_000_000 as UInt64

    private func runs(_ body: (inout SeededGenerator, UInt64, inout WatchSimulator, Int) -> Void, outageSeconds: Int = 5, least: Int = 2) {
        for seed in Self.seeds {
            var random = SeededGenerator(seed: seed)
            let count = Int.random(in: least...6, using: &random)
            var simulator = WatchSimulator(count, seed: seed, outageSeconds: outageSeconds)
            body(&random, seed, &simulator, count)
        }
    }

    // MARK: Outages

    /// Whatever is cut, in one direction or both, anywhere and everywhere: up to the outage nobody is lost.
    @Test func anOutageWithinTheBudgetLosesNothing() {
        runs { random, seed, simulator, count in
            simulator.loss = [0, 100].randomElement(using: &random)!
            let begin = UInt64.random(in: 1_000_000_000..<3_000_000_000, using: &random)
            // Lost beats at both ends of the outage make it longer.
            let times = begin..<begin + UInt64.random(in: 100_000_000...(simulator.loss > 0 ? 3_800_000_000 : 4_700_000_000), using: &random)
            for from in 0..<count {
                for to in 0..<count where from != to && Bool.random(using: &random) { simulator.cuts.append(.init(from: from, to: to, times: times)) }
            }
            simulator.run(until: 11 * Self.second)
            for node in 0..<count { #expect(simulator.losses(node).isEmpty, "seed \(seed), node \(node): \(simulator.losses(node))") }
        }
    }

    @Test func aDeadNodeIsNamedByAllInTime() {
        runs { random, seed, simulator, count in
            let victim = Int.random(in: 0..<count, using: &random)
            let death = UInt64.random(in: 1_000_000_000..<3_000_000_000, using: &random)
            simulator.deaths[victim] = death
            simulator.run(until: death + 7 * Self.second)
            for node in 0..<count where node != victim {
                let losses = simulator.losses(node)
                #expect(losses.count == 1, "seed \(seed), node \(node): \(losses)")
                guard case .node(NodeIndex(victim), let reason)? = losses.first?.loss else { continue }
                #expect(losses[0].at - death <= Self.limit, "seed \(seed): after \(losses[0].at - death) ns")
                if count == 2 { #expect("\(reason)".contains("node \(victim) or the link to it is gone"), "\(reason)") }
            }
            #expect((0..<count).contains { node in node != victim && !simulator.losses(node).isEmpty })
        }
    }

    /// Between two that live there is a link, which both name, and nobody names a node.
    @Test(arguments: [false, true]) func aCutLinkIsToldFromADeadNode(isOneWay: Bool) {
        runs({ random, seed, simulator, count in
            let nodes = (0..<count).shuffled(using: &random).prefix(2)
            let (a, b) = (nodes[0], nodes[1])
            simulator.loss = 20
            simulator.cuts.append(.init(from: a, to: b, times: Self.second..<100 * Self.second))
            if !isOneWay { simulator.cuts.append(.init(from: b, to: a, times: Self.second..<100 * Self.second)) }
            simulator.run(until: 9 * Self.second)
            for node in 0..<count {
                let losses = simulator.losses(node).map(\.loss)
                guard node == a || node == b else {
                    #expect(losses.isEmpty, "seed \(seed), node \(node): \(losses)")
                    continue
                }
                guard losses.count == 1, case .link(NodeIndex(min(a, b)), NodeIndex(max(a, b)), let reason) = losses[0] else {
                    Issue.record("seed \(seed), node \(node) of \(count), \(a) to \(b) cut: \(losses)")
                    continue
                }
                if isOneWay { #expect("\(reason)".hasPrefix("node \(b) has heard nothing of node \(a) for"), "seed \(seed): \(reason)") }
                #expect(simulator.losses(node)[0].at - Self.second <= Self.limit)
            }
        }, least: 3)
    }

    /// Node 1 says nothing to two of three, and does not hear the third: the first two losses are no reason to take that one for dead.
    @Test func severalLinksCutAtOnceBlameNoNode() {
        for seed in Self.seeds {
            var simulator = WatchSimulator(4, seed: seed)
            for (from, to) in [(1, 0), (1, 2), (3, 1)] { simulator.cuts.append(.init(from: from, to: to, times: Self.second..<100 * Self.second)) }
            simulator.run(until: 9 * Self.second)
            let losses = (0..<4).flatMap { simulator.losses($0) }
            #expect(losses.count == 6)
            for loss in losses { if case .node = loss.loss { Issue.record("seed \(seed): \(losses)") } }
        }
    }

    /// Node 0 is dead, and node 2 stands still for less than the budget while that shows: node 1 is not alone, and waits for its witness.
    @Test func aSlowWitnessIsWaitedForBeforeANodeIsAlone() {
        for seed in Self.seeds {
            var simulator = WatchSimulator(3, seed: seed)
            simulator.deaths[0] = Self.second
            simulator.stops = [(2, 3 * Self.second..<7_500_000_000)]
            simulator.run(until: 12 * Self.second)
            guard case .node(0, _)? = simulator.losses(1).first?.loss else {
                Issue.record("seed \(seed): \(simulator.losses(1))")
                continue
            }
        }
    }

    /// Of two nodes the one that is heard and does not hear can only be honest; the other knows better.
    @Test func aOneWayCutBetweenTwoNodesAccusesNobodyOfItself() {
        var simulator = WatchSimulator(2, seed: 1)
        simulator.cuts.append(.init(from: 0, to: 1, times: Self.second..<100 * Self.second))
        simulator.run(until: 9 * Self.second)
        guard case .node(0, .silentPair(0, _))? = simulator.losses(1).first?.loss, case .link(0, 1, .unheard(1, of: 0, _))? = simulator.losses(0).first?.loss else {
            Issue.record("\(simulator.losses(0)), \(simulator.losses(1))")
            return
        }
    }

    @Test func aNodeWhoseCableIsPulledIsNamedByTheOthersAndNamesNobody() {
        runs({ random, seed, simulator, count in
            let victim = Int.random(in: 0..<count, using: &random)
            for peer in 0..<count where peer != victim { simulator.cut(victim, peer, Self.second..<100 * Self.second) }
            simulator.run(until: 9 * Self.second)
            for node in 0..<count {
                let losses = simulator.losses(node).map(\.loss)
                if node == victim {
                    #expect(!losses.isEmpty && losses.allSatisfy { if case .alone = $0 { true } else { false } }, "seed \(seed): \(losses)")
                } else {
                    guard losses.count == 1, case .node(NodeIndex(victim), .silent) = losses[0] else {
                        Issue.record("seed \(seed), node \(node): \(losses)")
                        continue
                    }
                }
            }
        }, least: 3)
    }

    /// The port sends and takes nothing.
    @Test func aDeafNodeIsNamedByTheOthers() {
        var simulator = WatchSimulator(4, seed: 3)
        for peer in [0, 1, 3] { simulator.cuts.append(.init(from: peer, to: 2, times: Self.second..<100 * Self.second)) }
        simulator.run(until: 9 * Self.second)
        for node in [0, 1, 3] {
            guard case .node(2, .deaf)? = simulator.losses(node).first?.loss else {
                Issue.record("node \(node): \(simulator.losses(node))")
                continue
            }
        }
        guard case .alone? = simulator.losses(2).first?.loss else { Issue.record("\(simulator.losses(2))"); return }
    }

    @Test(arguments: [1, 60]) func theBudgetIsASetting(seconds: Int) {
        let outage = UInt64(seconds) * Self.second
        var simulator = WatchSimulator(3, seed: 5, outageSeconds: seconds)
        simulator.cut(0, 1, Self.second..<Self.second + outage * 9 / 10)
        simulator.deaths[2] = 5 * Self.second + outage
        simulator.run(until: 5 * Self.second + outage)
        #expect((0..<3).allSatisfy { simulator.losses($0).isEmpty })
        simulator.run(until: 5 * Self.second + 2 * outage - 100_000_000)
        #expect((0..<3).allSatisfy { simulator.losses($0).isEmpty })
        simulator.run(until: 5 * Self.second + 2 * outage + 1_300_000_000)
        #expect((0..<2).allSatisfy { simulator.losses($0).count == 1 })
    }

    // MARK: Nodes that stand still

    /// Stopped for longer than any outage (SIGSTOP, a suspended virtual machine): the others lose it, and it accuses nobody when it wakes.
    @Test func aNodeThatWasStoppedAccusesNobody() {
        runs { random, seed, simulator, count in
            let victim = Int.random(in: 0..<count, using: &random)
            simulator.stops = [(victim, Self.second..<UInt64.random(in: 8...15, using: &random) * Self.second)]
            simulator.run(until: 17 * Self.second)
            #expect(simulator.losses(victim).isEmpty, "seed \(seed): \(simulator.losses(victim))")
            for node in 0..<count where node != victim {
                guard case .node(NodeIndex(victim), _)? = simulator.losses(node).first?.loss else {
                    Issue.record("seed \(seed), node \(node): \(simulator.losses(node))")
                    continue
                }
            }
            #expect(simulator.watches[victim].stops == 1)
        }
    }

    /// 1.35 s of every 1.45 s: the machine goes on, slowly, and every console says who is slow, now and then.
    @Test func aNodeThatIsStoppedAgainAndAgainIsNamed() {
        runs { random, seed, simulator, count in
            let victim = Int.random(in: 0..<count, using: &random)
            simulator.stops = (0..<20).map { (victim, Self.second + $0 * 1_450_000_000..<Self.second + $0 * 1_450_000_000 + 1_350_000_000) }
            simulator.run(until: 31 * Self.second)
            for node in 0..<count {
                #expect(simulator.losses(node).isEmpty, "seed \(seed), node \(node): \(simulator.losses(node))")
                let words = simulator.events[node].map(\.event)
                if node == victim {
                    #expect(words.allSatisfy { if case .stoodStill = $0 { true } else { false } } && (2...4).contains(words.count), "seed \(seed): \(words)")
                } else {
                    #expect((2...4).contains(words.count), "seed \(seed), node \(node): \(words)")
                    for word in words {
                        guard case .slow(NodeIndex(victim), _, let longest, _) = word else {
                            Issue.record("seed \(seed), node \(node): \(word)")
                            continue
                        }
                        #expect((1_200_000_000...1_600_000_000).contains(longest))
                    }
                    let figures = simulator.watches[node].figures[victim]!
                    #expect(figures.late >= 18 && figures.silences[4] >= 18 && figures.stops >= 18 && figures.nearMisses == 0, "seed \(seed): \(figures)")
                }
            }
        }
    }

    @Test func aQuietNetworkIsCountedAndNotSpokenOf() {
        var simulator = WatchSimulator(3, seed: 9)
        simulator.run(until: 30 * Self.second)
        for node in 0..<3 {
            #expect(simulator.events[node].isEmpty)
            for (peer, figures) in simulator.watches[node].figures.enumerated() where peer != node {
                guard let figures else { Issue.record("node \(node) does not know node \(peer)"); return }
                #expect(figures.heard > 280 && figures.late == 0 && figures.missing == 0 && figures.stale == 0 && figures.silences.reduce(0, +) == figures.heard)
                #expect(figures.quickestRoundTrip > 0 && figures.quickestRoundTrip <= figures.roundTrip && figures.roundTrip < 100_000_000, "\(figures)")
            }
            #expect(simulator.watches[node].figures[node] == nil)
        }
    }

    /// More than half of the outage is a near miss, which is said at once.
    @Test func aNearMissIsSaidAtOnce() {
        var simulator = WatchSimulator(2, seed: 11)
        simulator.cut(0, 1, Self.second..<Self.second * 4)
        simulator.run(until: 6 * Self.second)
        for node in 0..<2 {
            guard case .slow(NodeIndex(1 - node), late: 1, let longest, stops: 0)? = simulator.events[node].first?.event else {
                Issue.record("\(simulator.events[node])")
                continue
            }
            #expect((2_900_000_000...3_300_000_000).contains(longest) && simulator.watches[node].figures[1 - node]?.nearMisses == 1)
        }
    }

    // MARK: A host that answers

    /// Refused beats shorten the wait, and alone end nothing: they are not authenticated. Where the outage is no longer than that wait, they are the reason
    /// all the same.
    @Test(arguments: [5, 1]) func aRefusalCountsOnlyWithSilence(outageSeconds: Int) {
        var simulator = WatchSimulator(3, seed: 13, outageSeconds: outageSeconds)
        simulator.run(until: Self.second)
        for _ in 0..<100 { simulator.watches[0].refused(1) }
        simulator.run(until: 10 * Self.second)
        #expect(simulator.losses(0).isEmpty)
        simulator.deaths[1] = simulator.now
        simulator.run(until: 10_500_000_000)
        for _ in 0..<3 { simulator.watches[0].refused(1) }
        #expect(simulator.losses(0).isEmpty)
        simulator.run(until: 11_200_000_000)
        guard case .node(1, .refused)? = simulator.losses(0).first?.loss else { Issue.record("\(simulator.losses(0))"); return }
    }

    /// A board that runs another start of its node has lost the earlier one: no third node that hears the new one makes a cut link of it.
    @Test(arguments: [5, 1]) func aNewStartOfItsBoardIsTheEndOfANode(outageSeconds: Int) {
        var simulator = WatchSimulator(3, seed: 17, outageSeconds: outageSeconds)
        simulator.run(until: Self.second)
        simulator.watches[0].startedAnew(1)
        simulator.run(until: 3 * Self.second)
        #expect(simulator.losses(0).isEmpty, "it is still heard")
        simulator.deaths[1] = simulator.now
        simulator.run(until: 3_800_000_000)
        simulator.watches[0].startedAnew(1)
        #expect(simulator.losses(0).isEmpty)
        simulator.run(until: 4_300_000_000)
        guard case .node(1, .startedAnew)? = simulator.losses(0).first?.loss else { Issue.record("\(simulator.losses(0))"); return }
    }

    /// Whoever did not run for longer than the others wait says that, when they have gone on without it.
    @Test(arguments: [2, 3]) func aNodeThatDidNotRunBlamesItself(count: Int) {
        var simulator = WatchSimulator(count, seed: 19)
        simulator.stops = [(1, Self.second..<8 * Self.second)]
        simulator.run(until: 8_200_000_000)
        for node in 0..<count where node != 1 {
            simulator.deaths[node] = simulator.now
            simulator.watches[1].startedAnew(NodeIndex(node))
        }
        simulator.run(until: 10 * Self.second)
        #expect(simulator.losses(1).count == 1)
        guard case .alone(.stoodStill(let time))? = simulator.losses(1).first?.loss else { Issue.record("\(simulator.losses(1))"); return }
        #expect((6_800_000_000...7_200_000_000).contains(time))
    }

    // MARK: The path

    @Test(arguments: [(9000, 9000, nil), (9000, 1500, 1500), (9000, 1600, 1500), (9000, 1499, 1400), (9000, 1000, 1280), (1500, 1400, 1400), (1500, 1500, nil), (1280, 500, nil)] as [(Int, Int, Int?)])
    func aPathThatDropsLargePacketsIsFound(mtu: Int, carries: Int, found: Int?) {
        var simulator = WatchSimulator(2, seed: 17, mtu: mtu)
        simulator.carries = carries
        simulator.loss = 100
        simulator.run(until: 3 * Self.second)
        for node in 0..<2 {
            let paths = simulator.events[node].compactMap { if case .narrowPath(NodeIndex(1 - node), let full, let carried) = $0.event { [full, carried] } else { nil } }
            #expect(paths == (found.map { [[mtu, $0]] } ?? []), "\(simulator.events[node])")
            #expect(simulator.events[node].allSatisfy { $0.at < 2 * Self.second })
        }
    }

    /// A port of 1500 beside one of 9000: TCP has agreed on the smaller one already.
    @Test func theSmallerPortCounts() {
        var probe = PathProbe()
        probe.begin(mine: 9000, theirs: 1500)
        #expect(probe.full == 1500 && probe.sizes == [1500, 1400, 1280])
        let isNarrow = probe.advance(largest: 1500)
        #expect(!isNarrow && probe.state == .done(carries: 1500) && probe.sizes.isEmpty)
    }

    // MARK: The wire

    private static let keys = (0..<3).map { testKey.beatKey(from: [UInt8($0)], to: [9]) } + [testKey.beatKey(from: [9], to: [0]), otherKey.beatKey(from: [0], to: [9])]

    private static var beat: Beat {
        var beat = Beat(sender: 3, sequence: 77, sent: 1 << 60)
        (beat.echo, beat.held, beat.stops, beat.mtu, beat.largest, beat.size) = (5, 6, 7, 9000, 1500, 0)
        beat.ages[0] = 12
        beat.ages[15] = 65_534
        return beat
    }

    @Test func aBeatArrivesAsItWasAndOnlyWhereItBelongs() {
        let bytes = Self.beat.sealed(with: Self.keys[0])
        #expect(bytes.count == Beat.byteCount && Beat(bytes, key: Self.keys[0]) == Self.beat && Beat.statedSender(bytes) == 3)
        let long = Self.beat.sealed(with: Self.keys[0], length: 8952)
        #expect(long.count == 8952 && Beat(Array(long.prefix(Beat.byteCount)), key: Self.keys[0]) == Self.beat)
        // Of another start, to another start, on the way back, of another kit.
        for key in Self.keys.dropFirst() { #expect(Beat(bytes, key: key) == nil) }
    }

    @Test func aBeatWithOneBitChangedIsNone() {
        let bytes = Self.beat.sealed(with: Self.keys[0])
        for bit in 0..<bytes.count * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(Beat(changed, key: Self.keys[0]) == nil, "bit \(bit)")
        }
        for count in 0..<bytes.count { #expect(Beat(Array(bytes.prefix(count)), key: Self.keys[0]) == nil) }
    }

    /// What was recorded does not keep a dead node alive, and a stranger's index reaches no table.
    @Test func repeatedAndStrangeBeatsAreNotHeard() {
        var watch = Watch(node: 0, count: 2, now: 0)
        watch.expect(1, now: 0)
        watch.judge(now: 0)
        watch.heard(Beat(sender: 1, sequence: 5, sent: 1), size: 160, now: 1)
        watch.heard(Beat(sender: 15, sequence: 5, sent: 1), size: 160, now: 1)
        var time: UInt64 = 0
        var losses = 0
        for _ in 0..<60 {
            time += Watch.Timing.beat
            watch.heard(Beat(sender: 1, sequence: 5, sent: 1), size: 160, now: time)
            losses += watch.tick(now: time).count { if case .lost = $0 { true } else { false } }
        }
        #expect(losses == 1 && watch.figures[1]?.stale == 60)
    }

    @Test func setsOfNodesAreSaidInOrder() {
        #expect(NodeSet([15, 3]).description == "3, 15" && NodeSet(bits: 0x8008) == NodeSet([3, 15]))
    }
}
