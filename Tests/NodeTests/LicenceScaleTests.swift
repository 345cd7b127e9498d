import Foundation
import Interconnect
import Licensing
import TestSupport
import Testing

@testable import Node

/// Up to 17 nodes, each in a network namespace of its own on one switch: they find each other by beacons, prove the key and check the licence as boards
/// do. The inventory is simulated; nothing is lent and no guest runs.
@Suite(.serialized, .enabled(if: NetworkNamespaces.isPossible, .init(rawValue: NetworkNamespaces.needed))) struct LicenceScaleTests {
    private func run(_ nodes: Int, change: @escaping @Sendable (Int, inout NodeLicensing) -> Void = { _, _ in }) throws -> MembershipMachine.Outcome {
        let path = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/firmware/editions/embedded-2.edition"
        let shop = try LicenceShop(String(contentsOfFile: path, encoding: .utf8))
        let standing = try shop.standing(shop.licence())
        let namespaces = try #require(NetworkNamespaces(nodes), "ip netns add ... failed")
        let machine = MembershipMachine(
            nodes: nodes,
            licensing: { index in
                var licensing = NodeLicensing.test(standing, sockets: 2, memoryMiB: 65536)
                change(index, &licensing)
                return licensing
            }, reaches: { _ in .discovery(interface: "port0") }, enter: { namespaces.enter($0) })
        return try machine.run()
    }

    @Test(arguments: [4, 15, 16]) func embeddedMachinesOfTheirSizesAreAccepted(nodes: Int) throws {
        let outcome = try run(nodes)
        for node in 0..<nodes {
            #expect(outcome.errors[node] == nil, "node \(node): \(outcome.logs[node].all.suffix(5))")
            #expect(outcome.logs[node].contains("vSMP Embedded of Acme"))
        }
    }

    @Test func threeNodesAreTooFew() throws {
        let outcome = try run(3)
        for node in 0..<3 { #expect(outcome.codes(node) == [.tooFewNodes]) }
    }

    /// What one of 16 has, all 16 refuse.
    @Test func oneOfSixteenBreaksALimit() throws {
        let outcome = try run(16) { node, licensing in if node == 7 { licensing.record.sockets = 3 } }
        for node in 0..<16 {
            #expect(outcome.codes(node) == [.tooManySocketsInNode, .tooManySockets], "node \(node): \(outcome.logs[node].all.suffix(5))")
            #expect(outcome.logs[node].contains("3 socket(s) in node 7"))
        }
    }

    /// No kit has 17 nodes: each says so before it looks for others. (With an inventory of 17 the check itself says L302: `LimitTests`.)
    @Test func seventeenNodesDoNotEvenJoin() throws {
        let outcome = try run(17)
        for error in outcome.errors {
            guard case .configuration(let problem)? = error as? InterconnectError else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(problem.contains("1 to 16 nodes, not 17"))
        }
    }
}
