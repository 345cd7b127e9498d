import Contract
import Testing

@testable import Licensing

@Suite struct LimitTests {
    func verdict(_ edition: Edition, _ nodes: Int, binding: Binding = .none, change: (inout MachineInventory.Node) -> Void = { _ in }) throws -> LicenceCheck.Verdict {
        let accepted = try Shop(edition).accepted(binding)
        return LicenceCheck.verdict(accepted, machine: machine(nodes, licence: accepted.licence.id, change: change), clock: clock())
    }

    @Test(arguments: [(1, [.tooFewNodes]), (2, []), (3, [.tooManyNodes])] as [(Int, [Violation.Code])])
    func standaloneIsTwoNodes(nodes: Int, expected: [Violation.Code]) throws {
        #expect(codes(try verdict(shippedEdition("standalone"), nodes)) == expected)
    }

    @Test(arguments: [(3, [.tooFewNodes]), (4, []), (15, []), (16, []), (17, [.tooManyNodes])] as [(Int, [Violation.Code])])
    func embeddedIsFourToSixteenNodes(nodes: Int, expected: [Violation.Code]) throws {
        #expect(codes(try verdict(shippedEdition("embedded-2"), nodes)) == expected)
        // 2 cores and 8 GiB a node keep the older edition's other limits.
        #expect(codes(try verdict(shippedEdition("embedded-1"), nodes) { ($0.record.cores, $0.interconnect) = (1, .infiniband) }) == expected)
    }

    @Test func theOlderEditionIsForInfiniBand() throws {
        #expect(codes(try verdict(shippedEdition("embedded-1"), 4) { ($0.record.cores, $0.interconnect) = (1, .infiniband) }) == [])
        #expect(codes(try verdict(shippedEdition("embedded-1"), 4) { ($0.record.cores, $0.interconnect) = (1, .ethernet) }) == Array(repeating: .interconnect, count: 4))
    }

    /// One node beyond each limit, in each direction, with what the refusal says.
    @Test func everyLimitIsCheckedInBothDirections() throws {
        typealias Change = (inout MachineInventory.Node) -> Void
        let cases: [(key: String, change: Change, code: Violation.Code, have: String)] = [
            ("min-nodes=3", { _ in }, .tooFewNodes, "2 node(s)"), ("max-nodes=1", { _ in }, .tooManyNodes, "2 node(s)"),
            ("min-sockets-per-node=2", { if $0.index == 0 { $0.record.sockets = 2 } }, .tooFewSocketsInNode, "1 socket(s) in node 1"),
            ("max-sockets-per-node=2", { if $0.index == 1 { $0.record.sockets = 3 } }, .tooManySocketsInNode, "3 socket(s) in node 1"),
            ("min-sockets=3", { _ in }, .tooFewSockets, "2 socket(s) (node 0: 1, node 1: 1)"),
            ("max-sockets=3", { $0.record.sockets = 2 }, .tooManySockets, "4 socket(s) (node 0: 2, node 1: 2)"),
            ("min-cores=9", { _ in }, .tooFewCores, "8 core(s)"), ("max-cores=7", { _ in }, .tooManyCores, "8 core(s) (node 0: 4, node 1: 4)"),
            ("min-memory-mib=16385", { _ in }, .tooLittleMemory, "16384 MiB"), ("max-memory-mib=16383", { _ in }, .tooMuchMemory, "16384 MiB of memory (node 0: 8192"),
            ("interconnects=infiniband", { if $0.index == 0 { $0.interconnect = .infiniband } }, .interconnect, "ethernet on node 1"),
            ("features=policy-choice", { if $0.index == 1 { $0.record.memoryMiB = 6000 } }, .feature, "unequal-boards"),
            ("features=unequal-boards", { if $0.index == 1 { $0.choosesPolicies = true } }, .feature, "policy-choice"),
        ]
        for each in cases {
            let edition = try Edition(parsing: "edition=e\ntitle=E\n\(each.key)\n", place: "f")
            let machineVerdict = try verdict(edition, 2, change: each.change)
            guard case .refused(let refusal) = machineVerdict, refusal.violations.count == 1 else {
                Issue.record("\(each.key): \(machineVerdict)")
                continue
            }
            let violation = refusal.violations[0]
            #expect(violation.code == each.code && violation.have.hasPrefix(each.have), "\(violation)")
            #expect(!violation.need.isEmpty && !violation.remedy.isEmpty && violation.description.contains(each.code.rawValue))
            let open = try Edition(parsing: "edition=e\ntitle=E\n", place: "f")
            #expect(try verdict(open, 2, change: each.change) == .accepted(banners: []), "\(each.key)")
        }
    }

    @Test func everyViolationIsToldAtOnce() throws {
        let found = codes(
            try verdict(shippedEdition("embedded-1"), 3) { ($0.record.cores, $0.record.memoryMiB) = (11, 100_000) })
        #expect(found == [.tooFewNodes, .tooManyCores, .tooMuchMemory, .interconnect, .interconnect, .interconnect])
    }

    @Test func numbersThatDoNotAddUpAreTooMany() throws {
        #expect(codes(try verdict(shippedEdition("embedded-2"), 4) { $0.record.memoryMiB = .max / 2 }) == [.tooMuchMemory])
    }

    @Test func aMixtureNamesBoth() throws {
        let accepted = try Shop().accepted()
        let mixed = machine(2, licence: accepted.licence.id) { if $0.index == 1 { $0.licence = "lic-other" } }
        guard case .refused(let refusal) = LicenceCheck.verdict(accepted, machine: mixed, clock: clock()) else { return #expect(Bool(false)) }
        #expect(refusal.violations.map(\.code) == [.mixture])
        #expect(refusal.description.contains("licence lic-other on node 1, \(accepted.licence.id) on node 0"))
        for change in [{ $0.licence = nil }, { $0.isDevelopment = true }] as [(inout MachineInventory.Node) -> Void] {
            let other = machine(2, licence: accepted.licence.id) { if $0.index == 1 { change(&$0) } }
            #expect(codes(LicenceCheck.verdict(accepted, machine: other, clock: clock())) == [.mixture])
        }
    }
}

@Suite struct RequestSizeTests {
    /// A request is for a machine, and no machine has more boards than a kit.
    @Test func aRequestOfMoreBoardsThanAMachineHasIsRefused() throws {
        func request(_ boards: Int) throws(LicensingError) -> LicenceRequest {
            try LicenceRequest(
                made: at("2026-02-01T00:00:00Z"), customer: nil, replaces: nil,
                boards: Array(repeating: BoardRecord(sockets: 1, cores: 1, memoryMiB: 1024, model: nil), count: boards))
        }
        #expect(try request(Limits.nodes.upperBound).boards.count == Limits.nodes.upperBound)
        let error = #expect(throws: LicensingError.self) { try request(Limits.nodes.upperBound + 1) }
        #expect(error.map { "\($0)".contains("1 to 16 boards, this one 17") } == true)
    }
}
