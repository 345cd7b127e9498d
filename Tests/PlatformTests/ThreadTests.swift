import Foundation
import Platform
import Synchronization
import Testing

struct ThreadTests {
    @Test func aThreadHasItsNameAndIsJoined() {
        let name = Mutex("")
        let thread = SystemThread("vsmp-test") {
            name.withLock { $0 = (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? "" }
        }
        thread.join()
        #expect(name.withLock { $0 } == "vsmp-test\n")
    }

    @Test func theClocksGoOnAndAgree() {
        let (monotonic, wall, counter) = (monotonicNow(), wallClockNow(), hostTimestamp())
        sleep(nanoseconds: 20_000_000)
        #expect(monotonicNow() - monotonic >= 20_000_000)
        #expect(wallClockNow() > wall)
        #expect(hostTimestamp() > counter)
        #expect(abs(Double(wall) / 1e9 - Date().timeIntervalSince1970) < 5)
    }
}
