import Contract
import Bytes
import Interconnect
import Licensing
import TestSupport
import Testing

@testable import Node

private let two = "edition=two\ntitle=Two\nmin-nodes=2\nmax-nodes=2\nmax-sockets-per-node=2\nmax-memory-mib=400\ngrace-days=30\n"

/// Nodes that join over 127.0.0.1 and check their licence; the boards' inventory is simulated.
@Suite struct LicenceAgreementTests {
    func run(_ nodes: Int = 2, _ licensing: @escaping @Sendable (Int) -> NodeLicensing) throws -> MembershipMachine.Outcome {
        try MembershipMachine(nodes: nodes, licensing: licensing).run()
    }

    @Test func aLicensedMachineIsAcceptedByEveryNodeAndRemembered() throws {
        let shop = try LicenceShop(two)
        let licence = try shop.licence()
        let standing = try shop.standing(licence, denyList: shop.denyList(3, []))
        let told = Log()
        let outcome = try run { _ in .test(standing, accepted: { told("\($0.denyList?.version ?? 0) \($0.highWater?.description ?? "")") }) }
        #expect(told.all == ["3 2026-06-01T00:00:00Z", "3 2026-06-01T00:00:00Z"])
        for node in 0..<2 {
            #expect(outcome.errors[node] == nil, "\(outcome.logs[node].all)")
            #expect(outcome.logs[node].contains("licence \(licence.id): Two of Acme for Customer"))
        }
    }

    /// Each node finds what is wrong with the other by itself, and each says it.
    @Test(arguments: [
        ("third socket", .tooManySocketsInNode), ("memory", .tooMuchMemory), ("expired", .expired), ("clock", .clockNotSet),
    ] as [(String, Violation.Code)])
    func aLimitThatOneNodeBreaksIsRefusedByBoth(what: String, code: Violation.Code) throws {
        let shop = try LicenceShop(two)
        let standing = try shop.standing(shop.licence(until: what == "expired" ? "2026-04-01T00:00:00Z" : nil))
        let outcome = try run { node in
            switch (what, node) {
            case ("third socket", 1): .test(standing, sockets: 3)
            case ("memory", 1): .test(standing, memoryMiB: 300)
            case ("clock", _): .test(standing, clock: { testClock("2020-01-01T00:00:00Z") })
            default: .test(standing)
            }
        }
        for node in 0..<2 {
            #expect(outcome.codes(node) == [code], "\(outcome.logs[node].all)")
            #expect(outcome.logs[node].all.contains { $0.hasPrefix("licence \(code.rawValue) ") && $0.contains("; need ") })
        }
    }

    /// A node whose own clock, or memory of a deny-list, says no keeps the machine from starting; the others say why.
    @Test func oneNodesRefusalIsEveryNodes() throws {
        let shop = try LicenceShop(two)
        let standing = try shop.standing(shop.licence())
        let outcome = try run { node in .test(standing, clock: { testClock(node == 1 ? "2020-01-01T00:00:00Z" : "2026-06-01T00:00:00Z") }) }
        #expect(outcome.codes(1) == [.clockNotSet] && outcome.codes(0) == [])
        #expect(outcome.logs[0].contains("node 1 says: licence L201 clock"))
        let seen = try run { node in .test(standing, marks: LicenceMarks(denyList: node == 0 ? DenyListRank(root: 1, version: 7) : nil)) }
        #expect(seen.codes(0) == [.denyListTooOld] && seen.codes(1) == [])
    }

    @Test func aMixtureIsRefusedNamingBoth() throws {
        let shop = try LicenceShop(two)
        let licences = [try shop.licence(), try shop.licence()]
        let standings = [try shop.standing(licences[0]), try shop.standing(licences[1])]
        let outcome = try run { .test(standings[$0]) }
        for node in 0..<2 {
            #expect(outcome.codes(node) == [.mixture])
            #expect(outcome.logs[node].all.contains { $0.contains(licences[0].id) && $0.contains(licences[1].id) })
        }
        // A node without a licence, beside one that has it.
        let without = try run { .test($0 == 0 ? standings[0] : .refused(LicenceRefusal(.noLicence()))) }
        #expect(without.codes(0) == [.mixture] && without.codes(1) == [.noLicence])
    }

    /// A release node never accepts a development one, nor the other way round.
    @Test func aDevelopmentNodeIsRefused() throws {
        let shop = try LicenceShop(two)
        let standing = try shop.standing(shop.licence())
        let outcome = try run { .test($0 == 0 ? standing : .development) }
        #expect(outcome.codes(0) == [.mixture] && outcome.codes(1) == [.mixture])
        #expect(outcome.logs[0].contains("a development image on node 1"))
        let both = try run { _ in .test(.development) }
        #expect(both.errors.allSatisfy { $0 == nil } && both.logs[0].contains("edition development"))
    }

    /// A node that knows a newer deny-list tells the others, who check who signed it.
    @Test func aNewerDenyListOfOneNodeCountsForAll() throws {
        let shop = try LicenceShop(two)
        let licence = try shop.licence()
        let standings = [try shop.standing(licence), try shop.standing(licence, denyList: shop.denyList(1, [licence.id]))]
        let noted = Log()
        let outcome = try run { node in .test(standings[node], learned: { noted("node \(node): \($0)") }) }
        #expect(outcome.codes(0) == [.denied] && outcome.codes(1) == [.denied])
        // Who takes the list away after the refusal gains nothing.
        #expect(noted.all.sorted() == ["node 0: version 1", "node 1: version 1"])
        let stranger = try LicenceShop(two).denyList(9, [licence.id])
        let ignored = try run { .test($0 == 0 ? standings[0] : (try? shop.standing(licence, denyList: stranger)) ?? .development) }
        #expect(ignored.errors.allSatisfy { $0 == nil })
    }

    /// An edition without the feature keeps the running machine's policies, too.
    @Test func policiesAreChosenWhereTheEditionPermitsIt() throws {
        for (features, isFree) in [("", true), ("features=none\n", false), ("features=policy-choice\n", true)] {
            let shop = try LicenceShop(two + features)
            let standing = try shop.standing(shop.licence())
            let outcome = try run { _ in .test(standing) }
            #expect(outcome.terms.map { $0?.isPolicyChoiceFree } == [isFree, isFree], "\(features)")
        }
        let shop = try LicenceShop(two + "features=none\n")
        let standing = try shop.standing(shop.licence())
        let outcome = try run { node in
            var licensing = NodeLicensing.test(standing)
            licensing.choosesPolicies = node == 1
            return licensing
        }
        #expect(outcome.codes(0) == [.feature] && outcome.codes(1) == [.feature])
    }

    /// A board knows the end of its licence's grace by itself, so that it need not wait for boards that may not come.
    @Test func theEndOfGraceIsKnownWithoutTheOthers() throws {
        let shop = try LicenceShop(two)
        func expiry(_ end: String?, clock: String = "2026-06-01T00:00:00Z") throws -> Violation.Code? {
            NodeLicensing.test(try shop.standing(shop.licence(until: end)), clock: { testClock(clock) }).expiry?.code
        }
        #expect(try expiry(nil) == nil && expiry("2026-05-20T00:00:00Z") == nil && expiry("2026-04-01T00:00:00Z") == .expired)
        #expect(try expiry("2026-04-01T00:00:00Z", clock: "2020-01-01T00:00:00Z") == nil, "a clock that is not set is another matter")
        #expect(NodeLicensing.test(.development).expiry == nil && NodeLicensing.test(.refused(LicenceRefusal(.noLicence()))).expiry == nil)
    }

    @Test func inGraceTheMachineStartsWithABanner() throws {
        let shop = try LicenceShop(two)
        let standing = try shop.standing(shop.licence(until: "2026-05-20T00:00:00Z"))
        let outcome = try run { _ in .test(standing) }
        for node in 0..<2 {
            #expect(outcome.errors[node] == nil)
            #expect(outcome.logs[node].contains("HAS EXPIRED on 2026-05-20"))
        }
    }

    /// Each board can start alone, whatever its licence.
    @Test func oneBoardAloneNeedsNoLicence() throws {
        let shop = try LicenceShop(two)
        for standing in [.refused(LicenceRefusal(.noLicence())), try shop.standing(shop.licence(until: "2026-02-02T00:00:00Z"))] as [NodeLicensing.Standing] {
            let outcome = try run(1) { _ in .test(standing) }
            #expect(outcome.errors[0] == nil && outcome.logs[0].contains("one board alone"))
        }
    }
}

/// The same with KVM, up to the guest.
@Suite(.enabled(if: hasKVM, needsKVM)) struct LicensedMachineTests {
    private static var guest: FlatGuest {
        var first = Payload()
        first.powerOff()
        var second = Payload()
        second.spin()
        return TinyMachine.guest([first, second])
    }

    @Test func aLicensedMachineRunsItsGuestAndNobodyAsksAgain() throws {
        let shop = try LicenceShop(two)
        let standing = try shop.standing(shop.licence(until: "2026-06-02T00:00:00Z"))
        let asked = Log()
        var machine = LoopbackMachine()
        machine.licensing = { _ in
            .test(standing, clock: {
                asked("asked")
                return testClock("2026-06-01T00:00:00Z")
            })
        }
        let outcome = try machine.run(Self.guest)
        expectEnd(outcome, .poweredOff)
        // Once on each node, before anything was lent: an end that comes later stops nothing.
        #expect(asked.all.count == 2)
    }

    @Test func aRefusedMachineLendsNothing() throws {
        let shop = try LicenceShop(two)
        let standing = try shop.standing(shop.licence())
        var machine = LoopbackMachine()
        machine.licensing = { .test(standing, sockets: $0 == 1 ? 3 : 1) }
        let outcome = try machine.run(Self.guest)
        for (node, end) in outcome.ends.enumerated() {
            guard case .failure(let error as NodeError)? = end, case .licence(let violations) = error else {
                Issue.record("node \(node) ended with \(String(describing: end))")
                continue
            }
            #expect(violations.map(\.code) == [.tooManySocketsInNode])
            #expect(!outcome.logs[node].contains("one machine:") && !outcome.logs[node].contains("LOST"))
        }
    }

    /// A node that states less for its licence than it then lends.
    @Test func aPlanThatIsMoreThanWasStatedIsRefused() throws {
        let shop = try LicenceShop(two)
        let standing = try shop.standing(shop.licence())
        var machine = LoopbackMachine()
        machine.licensing = { .test(standing, memoryMiB: $0 == 1 ? 100 : LoopbackMachine.resources.physicalMiB) }
        let outcome = try machine.run(Self.guest)
        for end in outcome.ends {
            guard case .failure(let error as NodeError)? = end, case .licence(let violations) = error else {
                Issue.record("\(String(describing: end))")
                continue
            }
            #expect(violations.map(\.code) == [.statement])
        }
    }

    /// More memory to lend than the board stated to have, in a plan whose total is the stated one.
    @Test func memoryThatIsLentCounts() {
        var resources = LoopbackMachine.resources
        let statement = BoardStatement(threads: resources.processors, sockets: resources.sockets, memoryMiB: resources.physicalMiB)
        #expect(statement.mismatch(resources, node: 1) == nil)
        resources.sliceMiB += 1 << 20
        #expect(statement.mismatch(resources, node: 1)?.code == .statement)
    }
}
