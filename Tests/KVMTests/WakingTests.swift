import Platform
import Foundation
import Testing

@testable import KVM

@Suite struct WakingTests {
    @Test func anErrorSaysCallSubjectAndReason() throws {
        let error = try #require(throws: SystemError.self) { try checked(-ENOENT, "open", on: "/dev/kvm") }
        #expect(error.subject == "/dev/kvm" && error.code == ENOENT)
        #expect("\(error)" == "open on /dev/kvm failed: No such file or directory (errno 2)")
        #expect(try checked(3, "open", on: "/dev/kvm") == 3)
    }

    @Test func aWakeThatComesFirstIsKept() {
        let parker = Parker()
        parker.unpark()
        let begun = DispatchTime.now().uptimeNanoseconds
        parker.park(timeout: 5_000_000_000)
        #expect(DispatchTime.now().uptimeNanoseconds - begun < 2_000_000_000)
    }

    @Test func aPollerReportsWhoIsReadyAndOtherwiseTimesOut() throws {
        var poller = try Poller()
        let event = try WakeEvent()
        try poller.add(event.rawDescriptor, as: 7)
        #expect(try poller.wait(timeout: 1_000_000) == 0)
        event.raise()
        event.raise()
        #expect(try poller.wait(timeout: 1_000_000_000) == 1)
        #expect(poller.ready(0) == 7)
        event.clear()
        #expect(try poller.wait(timeout: 0) == 0)
        try poller.remove(event.rawDescriptor)
        event.raise()
        #expect(try poller.wait(timeout: 0) == 0)
    }
}
