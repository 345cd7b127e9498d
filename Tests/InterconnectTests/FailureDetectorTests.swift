import Contract
import Platform
import Testing

@testable import Interconnect

@Suite struct FailureDetectorTests {
    private let beat: UInt64 = 100_000_000

    @Test func silentPeerIsLostAfterOneAndAHalfSecondsAndReportedOnce() {
        var detector = FailureDetector(watching: NodeSet([1, 2]), now: 0)
        for count in 1...15 as ClosedRange<UInt64> {
            detector.heard(1, now: count * beat)
            let news = detector.tick(now: count * beat)
            #expect(news.isEmpty)
        }
        detector.heard(1, now: 16 * beat)
        let news = detector.tick(now: 16 * beat)
        #expect(news.members == [2])
        #expect(detector.reason(2) == .silent(16 * beat))
        let later = detector.tick(now: 17 * beat)
        #expect(later.isEmpty)
        #expect(detector.lost.members == [2])
    }

    @Test func endedStreamIsALossAtOnce() {
        var detector = FailureDetector(watching: NodeSet([1]), now: 0)
        let news = detector.streamEnded(1, .ended(.reset))
        let again = detector.streamEnded(1, .closed)
        #expect(news && !again)
        #expect(detector.lost.contains(1))
        #expect(detector.reason(1) == .streamEnded(.ended(.reset)))
    }

    @Test func aNodeThatStoodStillAccusesNobody() {
        var detector = FailureDetector(watching: NodeSet([0, 2]), now: 0)
        var news = detector.tick(now: beat)
        #expect(news.isEmpty)
        news = detector.tick(now: 100 * beat)
        #expect(news.isEmpty)
        #expect(detector.restarts == 1)
        for count in 101...115 as ClosedRange<UInt64> {
            news = detector.tick(now: count * beat)
            #expect(news.isEmpty, "counting starts again from the late tick")
        }
        news = detector.tick(now: 116 * beat)
        #expect(news.members == [0, 2])
    }

    @Test func slightLatenessIsNotAnExcuse() {
        var detector = FailureDetector(watching: NodeSet([1]), now: 0)
        var news = NodeSet()
        for count in 1...4 as ClosedRange<UInt64> { news = detector.tick(now: count * 4 * beat) }
        #expect(news.members == [1])
        #expect(detector.restarts == 0)
    }

    @Test func strangersAndWildIndicesAreIgnored() {
        var detector = FailureDetector(watching: NodeSet([1]), now: 0)
        detector.heard(15, now: 1)
        let news = detector.streamEnded(14, .closed)
        #expect(!news)
        #expect(detector.reason(15) == nil)
        #expect(NodeSet([3, 15]).description == "3, 15")
    }
}
