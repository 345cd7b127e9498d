import Contract
import Testing

@testable import Licensing

@Suite struct BindingTests {
    func codes(_ binding: Binding, _ nodes: Int = 2, change: (inout MachineInventory.Node) -> Void = { _ in }) throws -> [Violation.Code] {
        var edition = Edition(name: "e", title: "E")
        edition.graceDays = 0
        let accepted = try Shop(edition).accepted(binding)
        #expect(accepted.licence.binding == binding)
        return LicensingTests.codes(
            LicenceCheck.verdict(accepted, machine: machine(nodes, licence: accepted.licence.id, change: change), clock: clock()))
    }

    func listed(_ thing: Binding.Thing, _ nodes: Int, quorum: Int? = nil) -> Binding {
        .listed(thing, Set(machine(nodes, licence: nil).nodes.compactMap { $0.record.fingerprint(thing) }), quorum: quorum)
    }

    @Test func aModelIsThatOfEveryNode() throws {
        #expect(try codes(.model("Acme / One")) == [])
        #expect(try codes(.model("Acme / One")) { if $0.index == 1 { $0.record.model = "Acme / Two" } } == [.model])
        #expect(try codes(.model("Acme / One")) { if $0.index == 1 { $0.record.model = nil } } == [.model])
    }

    @Test(arguments: Binding.Thing.allCases)
    func withoutAQuorumEveryNodeIsListed(thing: Binding.Thing) throws {
        #expect(try codes(listed(thing, 2)) == [])
        #expect(try codes(listed(thing, 3)) == [])
        #expect(try codes(listed(thing, 1)) == [thing.code])
        #expect(try codes(listed(thing, 2)) { ($0.record.board, $0.record.tpm, $0.record.stick) = (nil, nil, nil) } == [thing.code, thing.code])
        // The same thing cannot be in two nodes: a copied stick, or a node that states another's identity.
        let first = machine(1, licence: nil).nodes[0].record
        #expect(try codes(listed(thing, 2)) { ($0.record.board, $0.record.tpm, $0.record.stick) = (first.board, first.tpm, first.stick) } == [thing.code])
    }

    @Test(arguments: Binding.Thing.allCases)
    func withAQuorumOneCanBeReplaced(thing: Binding.Thing) throws {
        let replaced: (inout MachineInventory.Node) -> Void = { node in
            if node.index == 2 {
                node.record.board = .board(systemUUID: "new", serialNumber: nil)
                node.record.tpm = .tpm(endorsementKeyDigest: [99])
                node.record.stick = .stick(size: 1, serialNumber: "new")
            }
        }
        #expect(try codes(listed(thing, 3, quorum: 2), 3, change: replaced) == [])
        #expect(try codes(listed(thing, 3, quorum: 3), 3, change: replaced) == [.quorum])
        #expect(try codes(listed(thing, 3), 3, change: replaced) == [thing.code])
        let first = machine(1, licence: nil).nodes[0].record
        #expect(
            try codes(listed(thing, 3, quorum: 2), 3) { ($0.record.board, $0.record.tpm, $0.record.stick) = (first.board, first.tpm, first.stick) } == [.quorum])
    }

    @Test func aQuorumOfMoreThanIsListedCannotBeIssued() {
        #expect(throws: LicensingError.self) { try codes(listed(.board, 2, quorum: 3)) }
        #expect(throws: LicensingError.self) { try codes(.listed(.board, [], quorum: nil)) }
    }

    /// What firmware may say is longer than what a licence holds.
    @Test func aLongModelIsCutToWhatALicenceHolds() throws {
        let model = try #require(BoardRecord.model(manufacturer: String(repeating: "m", count: 90), product: String(repeating: "p", count: 90)))
        #expect(model.unicodeScalars.count == 160)
        let record = BoardRecord(sockets: 1, cores: 1, memoryMiB: 1, model: model)
        let request = try LicenceRequest(made: at("2026-03-01T00:00:00Z"), customer: nil, replaces: nil, boards: [record])
        #expect(request.boards[0].model == model)
    }

    @Test func placeholdersAreNoIdentity() {
        for text in ["", "None", "To Be Filled By O.E.M.", "Default string", "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "Not Specified"] {
            #expect(Fingerprint.board(systemUUID: text, serialNumber: nil) == nil, "\(text)")
            #expect(Fingerprint.stick(size: 1, serialNumber: text) == nil, "\(text)")
        }
        let uuid = "4c4c4544-0038-3010-8054-b7c04f564432"
        #expect(Fingerprint.board(systemUUID: uuid.uppercased(), serialNumber: "None") == Fingerprint.board(systemUUID: uuid, serialNumber: nil))
        #expect(Fingerprint.board(systemUUID: uuid, serialNumber: "A") != Fingerprint.board(systemUUID: uuid, serialNumber: "B"))
        #expect(Fingerprint.stick(size: 1, serialNumber: "A") != Fingerprint.stick(size: 2, serialNumber: "A"))
        #expect(Fingerprint.tpm(endorsementKeyDigest: Array("1:A".utf8)) != Fingerprint.stick(size: 1, serialNumber: "A"))
    }
}
