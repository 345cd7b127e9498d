import TestSupport
import Testing

@testable import Interconnect

@Suite struct CounterRelationTests {
    @Test func noExchangeNoEstimate() {
        #expect(CounterRelation().estimate(at: 5) == nil)
    }

    @Test func symmetricExchangeGivesTheOffset() throws {
        var relation = CounterRelation()
        let used = relation.add(t0: 1000, t1: 6050, t2: 6060, t3: 1110)
        #expect(used)
        let estimate = try #require(relation.estimate(at: 1110))
        #expect(abs(estimate.offset - 5000) <= 1 && (50...52).contains(estimate.errorBound) && estimate.minimumRoundTrip == 100)
        #expect(estimate.gainBound == .infinity)
    }

    @Test func exchangesThatContradictThemselvesAreIgnored() {
        var relation = CounterRelation()
        let backwards = relation.add(t0: 100, t1: 50, t2: 60, t3: 90)
        let longerThereThanHere = relation.add(t0: 100, t1: 50, t2: 90, t3: 110)
        #expect(!backwards && !longerThereThanHere)
        #expect(relation.estimate(at: 110) == nil)
    }

    /// Counters of 2.6 GHz; delays in ticks.
    @Test(arguments: [(Int64(-1_000_000), 0.0), (0, 100e-6), (37, -150e-6), (5_000_000_000, 20e-6), (-7, 1.0), (3, -0.5)])
    func theTruthLiesWithinTheBoundsWhateverTheDelaysAndTheBoundsShrink(offset: Int64, gain: Double) throws {
        var random = SeededGenerator(seed: 7)
        var relation = CounterRelation(longestStretch: 1_300_000_000)
        let start: UInt64 = 10_000_000_000
        func remote(_ now: UInt64) -> UInt64 { UInt64(bitPattern: Int64(now) + offset + Int64((gain * Double(now - start)).rounded())) }
        var now = start
        var bounds: [Double] = []
        for round in 0..<400 {
            let (out, held, back) = (
                UInt64.random(in: 40_000...400_000, using: &random), UInt64.random(in: 0...50_000, using: &random), UInt64.random(in: 60_000...900_000, using: &random)
            )
            relation.add(t0: now, t1: remote(now + out), t2: remote(now + out + held), t3: now + out + held + back)
            now += out + held + back
            let estimate = try #require(relation.estimate(at: now))
            // Until the slope is measured the counters count as meant to be equal.
            if abs(gain) < 0.001 || round > 5 { #expect(abs(estimate.offset - Int64(bitPattern: remote(now) &- now)) <= estimate.errorBound + 2, "round \(round)") }
            // An exchange itself takes up to 1.35 million ticks, in which the counters drift apart.
            if round > 0, abs(gain) < 0.001 { #expect(estimate.spread <= estimate.minimumRoundTrip / 2 + 1350 && estimate.spread <= estimate.errorBound, "round \(round)") }
            if round > 0 { #expect(estimate.gain.lowerBound - 1e-9 <= gain && gain <= estimate.gain.upperBound + 1e-9, "round \(round): \(estimate.gain)") }
            if [20, 200, 399].contains(round) { bounds.append(estimate.gainBound) }
            now += 260_000_000
        }
        // 16 s of exchanges whose quickest takes some 50 us.
        #expect(bounds[0] < 300e-6 && bounds[2] < 30e-6 && bounds[0] > bounds[2], "\(bounds)")
        #expect(try #require(relation.estimate(at: now)).minimumRoundTrip < 400_000 * (gain > 0.5 ? 2 : 1))
    }

    @Test func aCounterThatWasSetIsFollowedAtOnce() throws {
        var relation = CounterRelation()
        for round in 0..<20 as Range<UInt64> { relation.add(t0: round * 1_000_000, t1: round * 1_000_000 + 1050, t2: round * 1_000_000 + 1050, t3: round * 1_000_000 + 100) }
        relation.add(t0: 30_000_000, t1: 90_000_020, t2: 90_000_020, t3: 30_000_040)
        relation.add(t0: 30_100_000, t1: 90_100_020, t2: 90_100_020, t3: 30_100_040)
        let estimate = try #require(relation.estimate(at: 30_100_040))
        #expect(abs(estimate.offset - 60_000_000) <= 40 && estimate.minimumRoundTrip == 40)
    }
}
