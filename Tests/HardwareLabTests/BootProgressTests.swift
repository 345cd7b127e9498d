import Contract
import BoardSupport
import Testing

@testable import HardwareLab

/// Every way a boot can end, without a board.
@Suite struct BootProgressTests {
    private func progress(_ nodes: Int, _ faults: FaultInjection...) throws -> BootProgress {
        try BootProgress(nodes: nodes, timeout: .seconds(100), faults: faults)
    }

    private func verdict(_ actions: [BootProgress.Action]) -> Verdict? {
        for case .finish(let verdict) in actions { return verdict }
        return nil
    }

    @Test(arguments: [(0, 0), (7, 7), (63, 63), (64, 83), (-1, 83)])
    func guestVerdictBecomesExitStatus(code: Int, status: Int32) throws {
        var progress = try progress(1)
        _ = progress.guestLine("VSMP-EXIT \(code)", at: .seconds(5))
        #expect(verdict(progress.tick(at: .seconds(6))) == nil, "statistics may still come")
        progress.boardStopped(node: 0)
        let result = try #require(verdict(progress.tick(at: .seconds(7))))
        #expect(result.status == status)
        #expect(result.kind == (code == 0 ? .pass : .fail))
    }

    @Test func verdictIsGivenOnce() throws {
        var progress = try progress(1)
        progress.boardStopped(node: 0)
        #expect(verdict(progress.tick(at: .seconds(1))) != nil)
        #expect(progress.tick(at: .seconds(2)).isEmpty)
    }

    @Test func boardThatStaysOnAfterSuccessFails() throws {
        var progress = try progress(2)
        _ = progress.guestLine("VSMP-EXIT 0", at: .seconds(5))
        progress.boardStopped(node: 0)
        let limit = Duration.seconds(5) + BootProgress.powerOffLimit
        #expect(verdict(progress.tick(at: limit - .seconds(1))) == nil)
        let result = try #require(verdict(progress.tick(at: limit + .seconds(1))))
        #expect(result.status == ExitStatus.timeout.rawValue)
        #expect(result.reason.contains("node 1"))
    }

    @Test func silenceIsATimeout() throws {
        var progress = try progress(2)
        #expect(verdict(progress.tick(at: .seconds(99))) == nil)
        #expect(verdict(progress.tick(at: .seconds(100)))?.status == ExitStatus.timeout.rawValue)
    }

    @Test func guestWithoutVerdictFails() throws {
        var progress = try progress(1)
        progress.boardStopped(node: 0)
        #expect(verdict(progress.tick(at: .seconds(3)))?.status == ExitStatus.guestFailed.rawValue)
    }

    @Test func panicFails() throws {
        var progress = try progress(1)
        _ = progress.guestLine("Kernel panic - not syncing: Attempted to kill init!", at: .seconds(3))
        progress.boardStopped(node: 0)
        let result = try #require(verdict(progress.tick(at: .seconds(4))))
        #expect(result.status == ExitStatus.guestFailed.rawValue)
        #expect(result.reason.contains("kill init"))
    }

    @Test func panicOfTheFirmwareFails() throws {
        var progress = try progress(2)
        progress.firmwareLine("Kernel panic - not syncing: VFS", node: 1, at: .seconds(3))
        let result = try #require(verdict(progress.tick(at: .seconds(4) + BootProgress.powerOffLimit)))
        #expect(result.status == ExitStatus.guestFailed.rawValue)
        #expect(result.reason.contains("node 1"))
    }

    @Test func refusalHasItsOwnStatus() throws {
        var progress = try progress(2)
        progress.firmwareLine("vsmp: node 1 refuses node 0: cluster key differs", node: 1, at: .seconds(9))
        #expect(verdict(progress.tick(at: .seconds(60))) == nil, "it may go on trying")
        progress.firmwareLine("vsmp: vsmpd ended with status 81", node: 1, at: .seconds(61))
        progress.boardStopped(node: 0)
        progress.boardStopped(node: 1)
        let result = try #require(verdict(progress.tick(at: .seconds(62))))
        #expect(result.status == ExitStatus.peerRefused.rawValue)
        #expect(result.reason.contains("cluster key differs"))
    }

    @Test func refusalExplainsATimeout() throws {
        var progress = try progress(2)
        progress.firmwareLine("vsmp: node 1 refuses node 0: firmware differs", node: 1, at: .seconds(9))
        #expect(verdict(progress.tick(at: .seconds(100)))?.status == ExitStatus.peerRefused.rawValue)
    }

    @Test func statusOfTheNodeIsPassedOn() throws {
        var progress = try progress(1)
        progress.firmwareLine("vsmp: vsmpd ended with status 84", node: 0, at: .seconds(9))
        progress.boardStopped(node: 0)
        #expect(verdict(progress.tick(at: .seconds(10)))?.status == ExitStatus.hardwareMismatch.rawValue)
    }

    /// Why a node ended is what it said last, not only a number.
    @Test func theVerdictRepeatsTheNodesLastSentence() throws {
        var progress = try progress(1)
        progress.firmwareLine("vsmp: node 0 of 1, kit kit-1: looking for the other nodes", node: 0, at: .seconds(20))
        progress.firmwareLine("vsmp: the guest kernel is not a Linux bzImage", node: 0, at: .seconds(21))
        progress.firmwareLine("vsmp: vsmpd ended with status 70", node: 0, at: .seconds(21))
        progress.firmwareLine("vsmp: this machine stays out. For help: us", node: 0, at: .seconds(22))
        progress.boardStopped(node: 0)
        guard case .finish(let verdict)? = progress.tick(at: .seconds(23)).first else {
            Issue.record("no verdict")
            return
        }
        #expect(verdict.status == 70)
        #expect(verdict.reason == "vsmpd of node 0 ended with status 70: the guest kernel is not a Linux bzImage")
    }

    /// Boards that refuse a licence stay on; when all have said so there is nothing to wait for.
    @Test func aRefusedLicenceIsTheVerdictAtOnce() throws {
        var progress = try progress(2)
        progress.firmwareLine("vsmp: licence L302 nodes: have 3 node(s); need at most 2", node: 1, at: .seconds(20))
        for node in NodeIndex.all(of: 2) {
            #expect(progress.tick(at: .seconds(21)).isEmpty)
            progress.firmwareLine("vsmp: vsmpd ended with status 85", node: node, at: .seconds(21))
        }
        let result = try #require(verdict(progress.tick(at: .seconds(22))))
        #expect(result.kind == .fail && result.status == ExitStatus.licenceRefused.rawValue)
        #expect(result.reason.contains("node 1 said: licence L302 nodes: have 3 node(s)"))
    }

    @Test func unexpectedLossHasItsOwnStatus() throws {
        var progress = try progress(2)
        progress.firmwareLine("vsmp: LOST node 1 (silence): guest stopped", node: 0, at: .seconds(9))
        progress.boardStopped(node: 0)
        progress.boardStopped(node: 1)
        let result = try #require(verdict(progress.tick(at: .seconds(10))))
        #expect(result.kind == .fail)
        #expect(result.status == ExitStatus.nodeLost.rawValue)
    }

    @Test func lossIsAnnouncedByEverySurvivorInTime() throws {
        var progress = try progress(3, FaultInjection(.kill, node: 1, at: .seconds(5)))
        #expect(progress.tick(at: .seconds(4)).isEmpty)
        #expect(progress.tick(at: .seconds(5)) == [.inflict(FaultInjection(.kill, node: 1, at: .seconds(5)))])
        progress.boardStopped(node: 1)
        progress.firmwareLine("vsmp: LOST node 1 (closed): guest stopped", node: 0, at: .milliseconds(5300))
        progress.firmwareLine("vsmp: LOST node 1 (closed): guest stopped", node: 2, at: .milliseconds(11_900))
        progress.boardStopped(node: 0)
        progress.boardStopped(node: 2)
        let result = try #require(verdict(progress.tick(at: .seconds(13))))
        #expect(result.kind == .pass)
        #expect(result.status == ExitStatus.nodeLost.rawValue)
        #expect(progress.lossDelays().map(\.delay) == [.milliseconds(300), .milliseconds(6900)])
    }

    /// A board that joins again stays on, and that is as good as switching off.
    @Test func aBoardThatJoinsAgainHasEnded() throws {
        var progress = try progress(2, FaultInjection(.kill, node: 1, at: .seconds(3)))
        #expect(progress.tick(at: .seconds(3)).count == 1)
        progress.boardStopped(node: 1)
        progress.firmwareLine("vsmp: " + ConsoleEvent.lost(node: 1, why: "silence", lent: nil).description, node: 0, at: .seconds(4))
        #expect(progress.tick(at: .seconds(5)) == [])
        progress.firmwareLine("vsmp: " + ConsoleEvent.rejoins(attempt: 1, seconds: 1).description, node: 0, at: .seconds(5))
        let verdict = verdict(progress.tick(at: .seconds(6)))
        #expect(verdict?.kind == .pass && verdict?.status == 80)
    }

    /// Where boards are told to join again, the run goes on: what becomes of them is to be seen.
    @Test func aRunThatAwaitsRejoiningGoesOnAfterIt() throws {
        var progress = try BootProgress(nodes: 2, timeout: .seconds(600), awaitsRejoining: true)
        progress.firmwareLine("vsmp: " + ConsoleEvent.lost(node: 1, why: "silence", lent: nil).description, node: 0, at: .seconds(4))
        for node in [0, 1] as [NodeIndex] {
            progress.firmwareLine("vsmp: " + ConsoleEvent.nodeEnded(status: 80).description, node: node, at: .seconds(4))
            progress.firmwareLine("vsmp: " + ConsoleEvent.rejoins(attempt: 1, seconds: 1).description, node: node, at: .seconds(4))
        }
        #expect(progress.tick(at: .seconds(5)) == [] && progress.tick(at: .seconds(93)) == [])
        let verdict = verdict(progress.tick(at: .seconds(94)))
        #expect(verdict?.kind == .fail && verdict?.status == ExitStatus.nodeLost.rawValue)
    }

    @Test func lateAnnouncementFails() throws {
        var progress = try progress(2, FaultInjection(.kill, node: 0, at: .seconds(5)))
        _ = progress.tick(at: .seconds(5))
        progress.boardStopped(node: 0)
        progress.firmwareLine("vsmp: LOST node 0 (silence): guest stopped", node: 1, at: .milliseconds(12_100))
        progress.boardStopped(node: 1)
        let result = try #require(verdict(progress.tick(at: .seconds(13))))
        #expect(result.kind == .fail)
        #expect(result.status == ExitStatus.timeout.rawValue)
    }

    @Test func aLinkIsALossOfBothItsEnds() throws {
        var progress = try progress(3, FaultInjection(.cut, node: 1, at: .seconds(5)))
        _ = progress.tick(at: .seconds(5))
        progress.firmwareLine("vsmp: LOST link 1-2 (silence): guest stopped; look at", node: 0, at: .seconds(11))
        progress.firmwareLine("vsmp: LOST all other nodes (silence): guest stopped; look at", node: 1, at: .seconds(11))
        progress.firmwareLine("vsmp: LOST link 1-2 (silence): guest stopped; look at", node: 2, at: .seconds(11))
        #expect(progress.losses.map(\.lost) == [1, 0, 1])
        for node in NodeIndex.all(of: 3) { progress.boardStopped(node: node) }
        #expect(try #require(verdict(progress.tick(at: .seconds(13)))).kind == .pass)
    }

    @Test func silentSurvivorFails() throws {
        var progress = try progress(2, FaultInjection(.cut, node: 1, at: .seconds(5)))
        _ = progress.tick(at: .seconds(5))
        progress.firmwareLine("vsmp: LOST node 1 (silence): guest stopped", node: 0, at: .seconds(6))
        #expect(verdict(progress.tick(at: .seconds(18))) == nil)
        let result = try #require(verdict(progress.tick(at: .seconds(19))))
        #expect(result.status == ExitStatus.timeout.rawValue)
        #expect(result.reason.contains("node 1"), "a board whose link is cut has lost a node too")
    }

    @Test func faultStrikesOnAGuestLine() throws {
        let fault = try FaultInjection(.kill, parsing: "1@/CHECK .* ok/")
        var progress = try progress(2, fault)
        #expect(progress.guestLine("CHECK atomics", at: .seconds(1)).isEmpty)
        #expect(progress.guestLine("CHECK atomics ok", at: .seconds(2)) == [.inflict(fault)])
        #expect(progress.guestLine("CHECK atomics ok", at: .seconds(3)).isEmpty, "once only")
    }

    @Test func faultStrikesSomeTimeAfterTheFirstSuchLine() throws {
        let fault = try FaultInjection(.kill, parsing: "1@/CHECK/+2.5")
        var progress = try progress(2, fault)
        #expect(progress.tick(at: .seconds(9)).isEmpty)
        #expect(progress.guestLine("CHECK atomics", at: .seconds(10)).isEmpty)
        #expect(progress.guestLine("CHECK litmus", at: .seconds(12)).isEmpty)
        #expect(progress.tick(at: .seconds(12.5)) == [.inflict(fault)])
        #expect(progress.guestLine("CHECK memory", at: .seconds(13)).isEmpty, "once only")
    }

    @Test func faultStrikesOnAPrompt() throws {
        var progress = try progress(1, try FaultInjection(.kill, parsing: "0@/login:/"))
        #expect(progress.guestLine("login: ", complete: false, at: .seconds(2)).count == 1)
    }

    @Test func faultThatNeverStruckIsNoStatementAboutTheFirmware() throws {
        var progress = try progress(1, FaultInjection(.kill, node: 0, at: .guestLine("never", after: 0)))
        _ = progress.guestLine("VSMP-EXIT 0", at: .seconds(2))
        progress.boardStopped(node: 0)
        #expect(verdict(progress.tick(at: .seconds(3)))?.kind == .infrastructure)
    }

    @Test(arguments: ["", "1", "x@3", "1@", "1@/a", "1@//", "1@/(/", "1@-1", "1@nan", "-1@3", "1@/a/3", "1@/a/+", "1@/a/+-1"])
    func malformedFaultIsRefused(text: String) {
        #expect { try FaultInjection(.kill, parsing: text) } throws: { ($0 as? LabError)?.status == .usage }
    }

    @Test func faultTimesAreRead() throws {
        #expect(try FaultInjection(.kill, parsing: "2@7.5") == FaultInjection(.kill, node: 2, at: .seconds(7.5)))
        #expect(
            try FaultInjection(.cut, parsing: "0@/a@b/") == FaultInjection(.cut, node: 0, at: .guestLine("a@b", after: 0)))
    }

    @Test func faultOnABoardThatIsNotThereIsRefused() {
        #expect(throws: LabError.self) { try progress(2, FaultInjection(.kill, node: 2, at: .seconds(1))) }
    }
}
