import Contract
import Platform
import TestSupport
import Testing

@testable import Interconnect

@Suite struct FirmwareElectionTests {
    private let old = testHash
    private let new = otherHash
    private var both: [FirmwareHolding] { [FirmwareHolding(hash: old, version: 1), FirmwareHolding(hash: new, version: 2)] }
    private var onlyOld: [FirmwareHolding] { [FirmwareHolding(hash: old, version: 1)] }

    /// What node 0 of as many nodes as lists makes of the others' beacons.
    private func objection(_ running: [FirmwareHash], _ holdings: [[FirmwareHolding]], heard: Int? = nil) -> MeshError? {
        let count = holdings.count
        let me = identity(0, of: count, hash: running[0], holdings: holdings[0])
        var table = PeerTable(identity: me, key: testKey)
        for node in 1..<(heard ?? count) {
            let peer = identity(NodeIndex(node), of: count, hash: running[node], holdings: holdings[node])
            _ = table.handle(beacon(peer), from: .ipv6(high: 0xFE80 << 48, low: UInt64(node), port: 1, scope: 2), now: 0)
        }
        #expect(table.entries.count == (heard ?? count) - 1)
        return FirmwareElection.objection(of: me, to: table.entries)
    }

    @Test func theNewestThatAllHoldIsRun() {
        #expect(FirmwareElection.winner([both, both, both]) == new)
        #expect(FirmwareElection.winner([both, onlyOld, both]) == old)
        #expect(FirmwareElection.winner([onlyOld.reversed(), both.reversed()]) == old)
        #expect(FirmwareElection.winner([onlyOld, [FirmwareHolding(hash: new, version: 2)]]) == nil)
    }

    @Test func aFirmwareThatOneNodeMarkedBadIsNotRun() {
        let bad = [FirmwareHolding(hash: old, version: 1), FirmwareHolding(hash: new, version: 2, isBad: true)]
        #expect(FirmwareElection.winner([both, bad, both]) == old)
        #expect(FirmwareElection.winner([both, bad, [FirmwareHolding(hash: new, version: 2)]]) == nil)
    }

    @Test func equallyNewOnesGiveOneAnswerOnEveryNode() {
        let twins = [FirmwareHolding(hash: old, version: 1), FirmwareHolding(hash: new, version: 1)]
        #expect(FirmwareElection.winner([twins, twins.reversed()]) == FirmwareElection.winner([twins.reversed(), twins]))
    }

    /// Each node puts its own list first; a stick whose version is damaged must not give it an answer of its own.
    @Test func aVersionThatOneStickStatesWronglyGivesOneAnswerOnEveryNode() {
        let low = [FirmwareHolding(hash: old, version: 1), FirmwareHolding(hash: new, version: 0)]
        for lists in [[low, both, both], [both, low, both], [both, both, low]] { #expect(FirmwareElection.winner(lists) == new) }
        let high = [FirmwareHolding(hash: old, version: 9), FirmwareHolding(hash: new, version: 2)]
        for lists in [[high, both, both], [both, high, both], [both, both, high]] { #expect(FirmwareElection.winner(lists) == old) }
        #expect(objection([new, old, new], [low, both, both]) == nil, "node 1 changes over")
        guard case .otherFirmware(new, _) = objection([old, new, new], [both, low, both]) else {
            Issue.record("node 0 goes on")
            return
        }
    }

    @Test func theNodeThatRunsAnotherChangesOverWhenAllWereHeard() throws {
        #expect(objection([new, old, new], [both, onlyOld, both], heard: 2) == nil, "node 2 could hold something else")
        guard case .otherFirmware(let winner, let message) = objection([new, old, new], [both, onlyOld, both]) else {
            Issue.record("node 0 goes on")
            return
        }
        #expect(winner == old && message.contains(old.short) && message.contains("node 0 runs \(new.short)"))
        #expect(objection([old, new, old], [onlyOld, both, both]) == nil, "node 0 runs what the machine runs")
    }

    @Test func nodesWithNothingInCommonAreToldAtOnce() {
        let other = [FirmwareHolding(hash: new, version: 2)]
        guard case .refused(let refusal, let message) = objection([old, new, old], [onlyOld, other, onlyOld], heard: 2) else {
            Issue.record("node 0 goes on")
            return
        }
        #expect(refusal == .firmwareHash(mine: old, theirs: new))
        #expect(message.contains("\(new.short) (version 2)") && message.contains("\(old.short) (version 1)"))
    }

    @Test func threeThatAgreeInPairsOnlyAreTold() {
        let third = FirmwareHash(bytes: [UInt8](repeating: 3, count: 32))!
        let holding = { (hash: FirmwareHash, version: UInt32) in FirmwareHolding(hash: hash, version: version) }
        let lists = [[holding(old, 1), holding(new, 2)], [holding(new, 2), holding(third, 3)], [holding(third, 3), holding(old, 1)]]
        guard case .refused(_, let message) = objection([new, new, old], lists) else {
            Issue.record("node 0 goes on")
            return
        }
        #expect(message.contains("no firmware that all nodes hold") && message.contains("node 2 holds"))
    }

    /// The nodes of one kit that run different firmware tell each other what they hold, whatever the protocol between running machines is.
    @Test func beaconsCarryWhatANodeHolds() throws {
        let me = identity(1, of: 4, hash: new, holdings: [both[0], FirmwareHolding(hash: new, version: .max, isBad: true)])
        let key = testKey.derived(for: .beacon)
        let bytes = Beacon(identity: me, tcpPort: 7, sequence: 1, isComplete: true, challenge: 5, echoes: [1, 2, 3, 4]).encoded(with: key)
        let beacon = try Beacon(bytes, key: key)
        #expect(bytes.count == Beacon.byteCount && beacon.running == new && beacon.holdings == me.holdings)
        #expect(beacon.isComplete && beacon.challenge == 5 && beacon.echoes.prefix(5) == [1, 2, 3, 4, 0])
        #expect(throws: Beacon.Rejection.self) { try Beacon(bytes.map { $0 ^ 1 }, key: key) }
    }
}
