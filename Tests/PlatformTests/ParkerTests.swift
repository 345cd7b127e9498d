import Platform
import Testing

struct ParkerTests {
    @Test func aWakeThatComesFirstIsKept() {
        let parker = Parker()
        parker.unpark()
        let begun = monotonicNow()
        parker.park(timeout: 10_000_000_000)
        #expect(monotonicNow() - begun < 5_000_000_000)
    }
}
