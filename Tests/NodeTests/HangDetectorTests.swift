import Testing

@testable import Node

@Suite struct HangDetectorTests {
    private let second: UInt64 = 1_000_000_000

    /// A thread that stands still is named after ten seconds, whatever the others do, and is none that hangs once it goes on.
    @Test func aThreadThatStandsStillIsNamedAfterTenSeconds() {
        var detector = HangDetector()
        for time in UInt64(0)...30 {
            let control = time < 15 ? 7 : time
            let found = detector.hanging(["vsmp-control": control, "vsmp-beat": time * 10], now: time * second)
            #expect(found == ((11..<15).contains(time) ? "vsmp-control" : nil), "\(time) s")
        }
    }

    @Test func aNewThreadAndOneThatHasEndedHangNot() {
        var detector = HangDetector()
        for time in UInt64(0)..<9 { #expect(detector.hanging(["vsmp-coherence": 1], now: time * second) == nil) }
        for time in UInt64(9)..<30 { #expect(detector.hanging([:], now: time * second) == nil) }
        for time in UInt64(30)...40 { #expect(detector.hanging(["vsmp-coherence": 1], now: time * second) == nil) }
        #expect(detector.hanging(["vsmp-coherence": 1], now: 41 * second) == "vsmp-coherence")
    }

    /// A process that was stopped for long accuses none of its threads: they had no time either.
    @Test func aLongStopOfTheWholeProcessAccusesNobody() {
        var detector = HangDetector()
        _ = detector.hanging(["vsmp-control": 1], now: 0)
        _ = detector.hanging(["vsmp-control": 1], now: second)
        for time in UInt64(60)...70 { #expect(detector.hanging(["vsmp-control": 1], now: time * second) == nil) }
        #expect(detector.hanging(["vsmp-control": 1], now: 71 * second) == "vsmp-control")
    }
}
