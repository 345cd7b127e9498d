import Platform
import Synchronization
import Testing

struct PollerTests {
    @Test func aWakeFromAnotherThreadEndsAWait() throws {
        var poller = try Poller()
        let wake = try Shared(WakeEvent())
        try poller.add(wake.event.rawDescriptor, as: 17)
        #expect(try poller.wait(timeout: 1_000_000) == 0)
        let waker = SystemThread("waker") {
            sleep(nanoseconds: 20_000_000)
            wake.event.raise()
        }
        let begun = monotonicNow()
        #expect(try poller.wait(timeout: 10_000_000_000) == 1)
        #expect(poller.ready(0) == 17)
        #expect(monotonicNow() - begun < 5_000_000_000)
        waker.join()
        // Raised until it is cleared, however often that is asked.
        #expect(try poller.wait(timeout: 0) == 1)
        wake.event.clear()
        #expect(try poller.wait(timeout: 0) == 0)
    }

    @Test func writabilityIsWatchedOnlyOnDemand() throws {
        var poller = try Poller()
        let (near, far) = try LocalSocket.pair()
        try poller.add(near.rawValue, as: 1)
        #expect(try poller.wait(timeout: 0) == 0)
        try poller.watch(near.rawValue, as: 1, writable: true)
        #expect(try poller.wait(timeout: 0) == 1)
        try poller.watch(near.rawValue, as: 1, writable: false)
        #expect(try poller.wait(timeout: 0) == 0)
        try far.descriptor.write([1])
        #expect(try poller.wait(timeout: 0) == 1)
        try poller.remove(near.rawValue)
        #expect(try poller.wait(timeout: 0) == 0)
    }

    @Test func aSetTellsInputFromRoomAndFromAnEnd() throws {
        let (first, second) = try LocalSocket.pair()
        var others = try LocalSocket.pair()
        let silent = others.0
        try second.descriptor.write([1])
        var set = DescriptorSet()
        let (input, room) = (set.add(first.rawValue, .input), set.add(first.rawValue, .output))
        let quiet = set.add(silent.rawValue, .input)
        #expect(try set.wait(timeout: 1_000_000_000) == 2)
        #expect(set.ready(input) == .input)
        #expect(set.ready(room) == .output)
        #expect(set.ready(quiet) == [])
        #expect(try waitForInput([silent.rawValue, first.rawValue], timeout: 0) == [first.rawValue])
        others.1 = silent
        #expect(try waitForInput([silent.rawValue], timeout: nil) == [silent.rawValue])
    }

    private final class Shared: Sendable {
        let event: WakeEvent
        init(_ event: consuming WakeEvent) { self.event = event }
    }
}
