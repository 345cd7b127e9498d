import Synchronization
import TestSupport
import Testing

@testable import NodeCommands

@Suite struct RestartCountTests {
    private let folder = ScratchFolder()
    private let log = Log()

    private func count(_ name: String = "restarts") -> RestartCount { RestartCount(file: folder.path + "/" + name, report: { [log] in log($0) }) }

    @Test func aCountLastsForOneRun() {
        #expect(count().take() == 0)
        count().keep(1)
        #expect(count().take() == 1)
        // That run ended in another way, or died.
        #expect(count().take() == 0)
        count().keep(2)
        count().keep(3)
        #expect(count().take() == 3)
        count().keep(0)
        #expect(count().take() == 0)
        #expect(log.all == [])
    }

    @Test func moreThanTheFileHoldsStaysMuch() {
        count().keep(1000)
        #expect(count().take() == 255)
    }

    @Test(arguments: ["", "\n", "-1\n", "2 3\n", "two\n", "256\n", "\u{0}\u{0}"]) func aDamagedCountBeginsAgain(text: String) throws {
        try folder.write("restarts", text)
        #expect(count().take() == 0)
        #expect(log.all.count == 1 && log.all[0].contains(folder.path + "/restarts holds no count"))
        #expect(count().take() == 0 && log.all.count == 1)
    }

    /// A full disk, a folder that is not there: said once, and the machine goes on.
    @Test(arguments: ["/dev/full", "/nowhere/restarts"]) func whatCannotBeKeptIsSaid(path: String) {
        let count = RestartCount(file: path, report: { [log] in log($0) })
        #expect(count.take() == 0 && log.all == [])
        count.keep(2)
        #expect(log.all.count == 1 && log.all[0].hasPrefix("cannot count this restart of the guest: cannot write \(path)"), "\(log.all)")
    }
}
