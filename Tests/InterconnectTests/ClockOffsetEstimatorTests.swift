import TestSupport
import Testing

@testable import Interconnect

@Suite struct ClockOffsetEstimatorTests {
    @Test func noExchangeNoEstimate() {
        #expect(ClockOffsetEstimator().estimate == nil)
    }

    @Test func symmetricExchangeGivesTheOffset() throws {
        var estimator = ClockOffsetEstimator()
        let used = estimator.add(t0: 1000, t1: 6050, t2: 6060, t3: 1110)
        #expect(used)
        let estimate = try #require(estimator.estimate)
        #expect(estimate == .init(offset: 5000, errorBound: 50, minimumRoundTrip: 100))
    }

    @Test(arguments: [Int64(-1_000_000), 0, 37, 5_000_000_000])
    func theTrueOffsetLiesWithinTheBoundWhateverTheDelays(offset: Int64) throws {
        var random = SeededGenerator(seed: 7)
        var estimator = ClockOffsetEstimator()
        var now: Int64 = 10_000_000_000
        for _ in 0..<200 {
            let out = Int64.random(in: 40...4000, using: &random)
            let back = Int64.random(in: 40...4000, using: &random)
            let held = Int64.random(in: 0...500, using: &random)
            let t1 = now + out + offset
            estimator.add(
                t0: UInt64(now), t1: UInt64(t1), t2: UInt64(t1 + held), t3: UInt64(now + out + held + back))
            let estimate = try #require(estimator.estimate)
            #expect(abs(estimate.offset - offset) <= estimate.errorBound)
            now += 100_000
        }
        let final = try #require(estimator.estimate)
        #expect(final.errorBound <= final.minimumRoundTrip / 2 + 1)
    }

    @Test func exchangesThatContradictThemselvesAreIgnored() {
        var estimator = ClockOffsetEstimator()
        let backwards = estimator.add(t0: 100, t1: 50, t2: 60, t3: 90)
        let longerThereThanHere = estimator.add(t0: 100, t1: 50, t2: 90, t3: 110)
        #expect(!backwards && !longerThereThanHere)
        #expect(estimator.estimate == nil)
    }

    @Test func aSteppedClockFallsBackToTheQuickestExchange() throws {
        var estimator = ClockOffsetEstimator()
        estimator.add(t0: 0, t1: 1050, t2: 1050, t3: 100)
        estimator.add(t0: 1000, t1: 9020, t2: 9020, t3: 1040)
        let estimate = try #require(estimator.estimate)
        #expect(estimate.offset == 8000)
        #expect(estimate.minimumRoundTrip == 40)
    }
}
