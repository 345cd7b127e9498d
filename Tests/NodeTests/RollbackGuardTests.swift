import Contract
import BoardSupport
import Foundation
import Glibc
import Platform
import TestSupport
import Testing
import TrustedPlatform

@testable import Node
@testable import NodeCommands

/// A node and its board's memory of newer firmware.
@Suite struct RollbackGuardTests {
    private func guardian(_ counter: Int, _ chip: SoftwareModule, _ log: Log) throws -> RollbackGuard {
        RollbackGuard(counter: try #require(RollbackCounter(counter)), devices: [chip.socket], log: { log($0) })
    }

    private static let hasModule: Bool = SoftwareModule.executable != nil
    private static let needsModule: Comment = "swtpm is not installed: no TPM 2.0 can be asked"

    @Test(.enabled(if: hasModule, needsModule))
    func whatStartedAMachineIsTheLeastFromThenOn() throws {
        let (folder, log) = (ScratchFolder(), Log())
        let chip = try SoftwareModule(state: folder.path)
        let first = try guardian(2, chip, log)
        #expect(first.check() == nil)
        // Looking is not starting: an older image still runs.
        #expect(try guardian(1, chip, log).check() == nil)
        #expect(first.text == "rollback counter 2, floor 0 in this board's TPM: images below it are refused")
        first.raiseInBackground()
        for _ in 0..<500 where !first.text.contains("floor 2") { usleep(10_000) }
        #expect(first.text.contains("floor 2"))
        #expect(log.all.contains { $0.contains("floor is 2 from now on") })

        for (counter, isRefused) in [(0, true), (1, true), (2, false), (3, false)] {
            let refusal = try guardian(counter, chip, log).check()
            #expect((refusal != nil) == isRefused, "\(counter)")
            guard let refusal else { continue }
            #expect(refusal.contains("counter is \(counter)") && refusal.contains("counter 2 has run here") && refusal.contains("newer image"))
        }
        // The same image does not write the chip again.
        let count = log.all.count
        let same = try guardian(2, chip, log)
        #expect(same.check() == nil)
        same.raiseInBackground()
        usleep(100_000)
        #expect(log.all.count == count + 1, "\(log.all)")
    }

    @Test func withoutAModuleNothingIsRefusedAndThatIsSaid() {
        let log = Log()
        let guardian = RollbackGuard(counter: .zero, devices: ["/nonexistent/tpm"], log: { log($0) })
        #expect(guardian.check() == nil)
        guardian.raiseInBackground()
        #expect(log.all == ["rollback: this board has no TPM 2.0, so older images are not refused here"])
        #expect(guardian.text == "rollback counter 0, not enforced: this board has no TPM 2.0")
    }

    @Test func aModuleThatFailsRefusesNothingAndIsNamed() throws {
        let (folder, log) = (ScratchFolder(), Log())
        // Nobody answers there.
        try folder.write("tpm", "")
        let guardian = RollbackGuard(counter: .zero, devices: [folder.path + "/tpm"], log: { log($0) })
        #expect(guardian.check() == nil)
        #expect(log.all.count == 1 && log.all[0].hasPrefix("rollback: not enforced on this board: "), "\(log.all)")
        #expect(guardian.text.hasPrefix("rollback counter 0, not enforced: ") && guardian.text.contains("/tpm"), "\(guardian.text)")
    }

    @Test func theImagesCounterIsReadOrTheImageIsDamaged() throws {
        let folder = ScratchFolder()
        #expect(try RollbackGuard.counter(inFolder: folder.path) == .zero)
        try folder.write("rollback-counter", "63\n")
        #expect(try RollbackGuard.counter(inFolder: folder.path).value == 63)
        for text in ["", "64\n", "1", "1\n2\n", "one\n"] {
            try folder.write("rollback-counter", text)
            let error = #expect(throws: RunCommand.Failure.self) { _ = try RollbackGuard.counter(inFolder: folder.path) }
            #expect(error?.status == .badInput && error?.text.contains("rollback-counter") == true)
        }
    }

    @Test(.enabled(if: hasKVM, needsKVM))
    func everyNodeIsToldOnceThatTheMachineStarted() throws {
        let starts = (0..<2).map { _ in Log() }
        var machine = LoopbackMachine()
        machine.onStart = { node in starts[node]("started") }
        var payload = Payload()
        payload.waitForPowerButton()
        payload.powerOff()
        var other = Payload()
        other.spin()
        let outcome = try machine.run(TinyMachine.guest([payload, other])) { nodes, _ in
            let end = monotonicNow() + 20_000_000_000
            while !starts.allSatisfy({ $0.all == ["started"] }), monotonicNow() < end { usleep(10_000) }
            while (try? nodes[0].operate(.power)) == nil, monotonicNow() < end { usleep(10_000) }
        }
        expectEnd(outcome, .poweredOff)
        #expect(starts.map(\.all) == [["started"], ["started"]])
    }

    @Test(.enabled(if: hasKVM, needsKVM))
    func aMachineThatNeverStartsTellsNobody() throws {
        let starts = Log()
        var machine = LoopbackMachine()
        machine.onStart = { _ in starts("started") }
        machine.keys = [testKey, otherKey]
        machine.patience = 1_000_000_000
        _ = try machine.run(nil)
        #expect(starts.all.isEmpty)
    }
}
