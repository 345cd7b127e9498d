import Contract
import Interconnect
import TestSupport
import Testing

@testable import Node

/// The guest clocks of 2 to 16 nodes whose crystals differ, kept together by the code that ships, in virtual time. One seed decides everything.
@Suite struct ClockSimulationTests {
    /// One node: its crystal, what its adapter takes, its guest clock.
    private struct Clock {
        /// Ticks at time zero; how much faster it runs than 1 GHz; how that changes in a second.
        var phase: Double
        var slip: Double
        var wander: Double
        /// Nanoseconds between a message's time stamp and the wire, out and in: what nobody can measure from outside.
        var sending: Double
        var receiving: Double
        var course = ClockCourse(offset: 0, since: 0)
        var relation = CounterRelation(longestStretch: 500_000_000)
        var follower = ClockFollower(kilohertz: 1_000_000)
        var lead = ClockLead()
        var answered: UInt64 = 0
        var wish: UInt32 = 0
        var told: UInt64 = 0

        func counter(_ time: Double) -> UInt64 { UInt64(phase + time * (1 + slip + wander * time / 2e9)) }
        /// The guest's counter at a true time.
        func guest(_ time: Double) -> UInt64 { counter(time) &+ told }
        mutating func step(_ time: Double) { told = course.offset(at: counter(time)) }
    }

    private static let wire = 1_500.0
    private static let beat = 100_000_000.0

    private struct Outcome {
        /// By how much the most backward message went back in guest time; the farthest a clock was from node 0's; both in ns, once the clocks had settled.
        var worstMessage = Double.infinity
        var worstSkew = 0.0
        /// How much faster than the fastest crystal the guest's time ran at the end.
        var excess = 0.0
        var steps = 0
    }

    /// - Parameters:
    ///   - slip: most that a crystal is off.
    ///   - discipline: whether beats correct anything.
    private func run(nodes: Int, seconds: Int, slip: Double, seed: UInt64, discipline: Bool = true) -> Outcome {
        var random = SeededGenerator(seed: seed)
        func below(_ limit: Double) -> Double { Double.random(in: 0...limit, using: &random) }
        /// Queues and interrupts: mostly microseconds, now and then a busy processor.
        func jitter() -> Double { Int.random(in: 0..<50, using: &random) == 0 ? below(2_000_000) : below(8_000) }
        var clocks = (0..<nodes).map { _ in
            Clock(
                phase: below(1e15), slip: Double.random(in: -slip...slip, using: &random), wander: Double.random(in: -1e-8...1e-8, using: &random),
                sending: 1_000 + below(9_000), receiving: 1_000 + below(9_000))
        }
        func exchange(_ node: Int, _ time: Double) {
            let arrival = time + clocks[node].sending + Self.wire + clocks[0].receiving + jitter()
            let answer = arrival + below(5_000)
            let back = answer + clocks[0].sending + Self.wire + clocks[node].receiving + jitter()
            let clock = clocks[node]
            clocks[node].relation.add(t0: clock.counter(time), t1: clocks[0].counter(arrival), t2: clocks[0].counter(answer), t3: clock.counter(back))
            clocks[node].answered = clocks[0].counter(answer)
            let origin = clocks[0].counter(0)
            clocks[node].lead = ClockLead(gained: clocks[0].course.offset(at: clocks[0].counter(answer)) &+ origin, gain: clocks[0].course.gain)
        }
        let origin = clocks[0].counter(0)
        clocks[0].course = ClockCourse(offset: 0 &- origin, since: origin)
        // From the join on, then the alignment.
        for node in 1..<nodes {
            for round in 0..<200 { exchange(node, Double(round) * 100_000) }
            for beat in 1..<10 { exchange(node, Double(beat) * Self.beat) }
            for round in 0..<64 { exchange(node, 10 * Self.beat + Double(round) * 100_000) }
            let now = clocks[node].counter(11 * Self.beat)
            let relation = clocks[node].relation.estimate(at: now)!
            let target = ClockFollower.target(at: now, origin: origin, relation: relation, lead: clocks[node].lead, answered: clocks[node].answered)
            (clocks[node].course, clocks[node].wish) = clocks[node].follower.steer(
                ClockCourse(offset: target, since: now), at: now, origin: origin, relation: relation, lead: clocks[node].lead, answered: clocks[node].answered)
            if !discipline { clocks[node].course.gain = 0 }
        }
        var outcome = Outcome()
        for beat in 12..<(12 + seconds * 10) {
            let time = Double(beat) * Self.beat
            let before = clocks.map { $0.guest(time) }
            for node in 1..<nodes where discipline {
                // Each node beats when it likes.
                let at = time + below(20_000_000)
                for round in 0..<4 { exchange(node, at + Double(round) * 100_000) }
                let now = clocks[node].counter(at + 5_000_000)
                guard let relation = clocks[node].relation.estimate(at: now) else { continue }
                (clocks[node].course, clocks[node].wish) = clocks[node].follower.steer(
                    clocks[node].course, at: now, origin: origin, relation: relation, lead: clocks[node].lead, answered: clocks[node].answered)
            }
            let now = clocks[0].counter(time + 40_000_000)
            clocks[0].course = ClockCourse(offset: clocks[0].course.offset(at: now), since: now, gain: clocks.map(\.wish).max()!)
            for part in 1...4 {
                let moment = time + 40_000_000 + Double(part) * 14_000_000
                // Steps are short, and a processor may take one late.
                for node in clocks.indices {
                    let was = clocks[node].told
                    clocks[node].step(moment - below(500_000))
                    #expect(Int64(bitPattern: clocks[node].told &- was) >= 0 || beat == 12, "seed \(seed): node \(node) went back")
                    if clocks[node].told != was { outcome.steps += 1 }
                }
                guard beat > 22 else { continue }
                for sender in clocks.indices {
                    outcome.worstSkew = max(outcome.worstSkew, abs(Double(Int64(bitPattern: clocks[sender].guest(moment) &- clocks[0].guest(moment)))))
                    for receiver in clocks.indices where receiver != sender {
                        let arrival = moment + clocks[sender].sending + Self.wire + clocks[receiver].receiving
                        outcome.worstMessage = min(outcome.worstMessage, Double(Int64(bitPattern: clocks[receiver].guest(arrival) &- clocks[sender].guest(moment))))
                    }
                }
            }
            outcome.excess = Double(clocks[0].guest(time) &- before[0])
        }
        let fastest = clocks.map { $0.slip + $0.wander * Double(seconds) }.max()!
        outcome.excess = Double(clocks[0].course.gain) / 0x1p32 + clocks[0].slip + clocks[0].wander * Double(seconds) - fastest
        return outcome
    }

    @Test(arguments: [(2, 100e-6), (3, 100e-6), (5, 200e-6), (8, 20e-6), (16, 100e-6)])
    func guestsNeverSeeTimeRunBackwardsAndTheSkewIsBelowTheFastestMessage(nodes: Int, slip: Double) {
        for seed in [1, UInt64.random(in: 2 ... .max)] {
            let outcome = run(nodes: nodes, seconds: 15, slip: slip, seed: seed)
            #expect(outcome.worstMessage > 0, "seed \(seed): \(outcome)")
            // The machine's time follows the fastest crystal, and is not driven away by noise.
            #expect(outcome.excess < 20e-6, "seed \(seed): \(outcome)")
        }
    }

    /// The same without corrections: the test sees it.
    @Test func withoutCorrectionsTimeRunsBackwards() {
        #expect(run(nodes: 3, seconds: 5, slip: 100e-6, seed: 1, discipline: false).worstMessage < 0)
    }
}
