import Bytes
import Platform
import Glibc
import Licensing
import Node
import StickState

/// Notes that a licensed machine has started, and each day that it still runs: however long that was, no clock that is set back later is believed.
struct LicenceDiary: Sendable {
    /// In seconds: what a clock may be behind.
    static let interval = LicenceClock.tolerance

    let memory: NodeMemory
    /// Seconds since 1970, as the board has them.
    let clock: @Sendable () -> Int
    let log: @Sendable (String) -> Void

    /// Notes the start, and goes on in a thread of its own.
    func begin(_ marks: LicenceMarks) {
        note(marks)
        _ = SystemThread("vsmp-licence") {
            self.goOn(marks) {
                sleep(UInt32(Self.interval))
                return true
            }
        }
    }

    /// A newer deny list, noted whatever becomes of the machine.
    func learn(_ list: DenyListRank) { note(LicenceMarks(denyList: list)) }

    /// - Parameter wait: until the next note is due; false when there is to be none.
    func goOn(_ marks: LicenceMarks, wait: () -> Bool) {
        var marks = marks
        while wait() {
            guard let now = UTCTimeStamp(seconds: clock()), marks.highWater.map({ $0 < now }) ?? true else { continue }
            marks.highWater = now
            note(marks)
        }
    }

    private func note(_ marks: LicenceMarks) {
        do throws(StateStore.Problem) { try memory.keep(marks) } catch { log("what the licence check has to remember cannot be noted: \(error)") }
    }
}
