import Platform
import Synchronization
import TestSupport
import Testing

@testable import Node

@Suite struct ConsoleLogTests {
    @Test func everySentenceIsWrittenInOrder() {
        let written = Log()
        let log = ConsoleLog { written($0) }
        for number in 0..<1000 { log.say("line \(number)") }
        log.close()
        #expect(written.all == (0..<1000).map { "line \($0)" })
    }

    @Test func aConsoleThatStandsStillHoldsNobodyUp() {
        let written = Log()
        let goesOn = Atomic<Bool>(false)
        let gate = Parker()
        let log = ConsoleLog { line in
            while !goesOn.load(ordering: .acquiring) { gate.park(timeout: 1_000_000) }
            written(line)
        }
        let begun = monotonicNow()
        for number in 0..<ConsoleLog.limit + 5000 { log.say("line \(number)") }
        log.close(patience: 100_000_000)
        #expect(monotonicNow() - begun < 5_000_000_000)
        #expect(written.all.isEmpty)
        goesOn.store(true, ordering: .releasing)
        for _ in 0..<5000 where !written.contains("were not kept") { gate.park(timeout: 1_000_000) }
        #expect(written.all.first == "line 0" && written.contains("more lines were not kept: the console stood still"))
    }
}
