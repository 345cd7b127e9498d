import Interconnect
import Testing

@Suite struct FailureDetectorTests {
    @Test func silenceAndEndedStreamsAreLosses() {
        var detector = FailureDetector(watching: NodeSet([1, 2]), now: 0)
        for beat in 1...15 {
            detector.heard(1, now: UInt64(beat) * 100_000_000)
            #expect(detector.tick(now: UInt64(beat) * 100_000_000).isEmpty)
        }
        detector.heard(1, now: 1_600_000_000)
        #expect(detector.tick(now: 1_600_000_000).members == [2])
        #expect(detector.tick(now: 1_700_000_000).isEmpty)
        let news = detector.streamEnded(1, .reset)
        #expect(news)
        #expect(detector.lost.members == [1, 2])
    }
}
