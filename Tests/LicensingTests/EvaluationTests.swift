import Contract
import Testing

@testable import Licensing

/// Who knows less than a board accepts what the board accepts, and refuses what it does know with the same code.
@Suite struct EvaluationTests {
    private func codes(_ trust: LicenceQuestion.Trust, _ documents: DocumentSet, _ machine: MachineInventory, _ now: String) -> [Violation.Code] {
        LicenceEvaluation(LicenceQuestion(trust, documents, machine: machine, clock: LicenceClock(desk: at(now)))).violations.map(\.code)
    }

    @Test func aDeskSaysWhatBoardsSay() throws {
        let shop = try Shop()
        let licence = try shop.licence(until: at("2026-06-30T00:00:00Z"))
        let held = try documents(shop.grant.envelope, licence.envelope)
        let trusts: [LicenceQuestion.Trust] = [.image(Authority(trusting: shop.root)), .notNamed]
        let known: [(Int) -> MachineInventory] = [{ machine($0, licence: licence.id) }, { MachineInventory(of: $0) }]
        for trust in trusts {
            for known in known {
                #expect(codes(trust, held, known(2), "2026-06-01T00:00:00Z") == [])
                #expect(codes(trust, held, known(3), "2026-06-01T00:00:00Z") == [.tooManyNodes])
                #expect(codes(trust, held, known(2), "2027-06-01T00:00:00Z") == [.expired])
                #expect(codes(trust, held, known(3), "2020-06-01T00:00:00Z") == [.clockNotSet, .tooManyNodes])
            }
            #expect(codes(trust, held, .unknown, "2026-06-01T00:00:00Z") == [])
            #expect(codes(trust, DocumentSet(), .unknown, "2026-06-01T00:00:00Z") == [.noLicence])
            #expect(codes(trust, try documents(licence.envelope), .unknown, "2026-06-01T00:00:00Z") == [.untrusted])
        }
        let stranger = try RootStatement(vendor: "Other", key: SecretKey(), issued: at("2026-01-01T00:00:00Z"))
        #expect(codes(.image(Authority(trusting: stranger)), held, .unknown, "2026-06-01T00:00:00Z") == [.untrusted])
    }

    /// One board of several: what it breaks by itself counts, what the others may bring does not.
    @Test func aBoardAloneIsHeldAgainstWhatItBreaksByItself() throws {
        let edition = try Edition(
            parsing: "edition=e\ntitle=E\nmin-nodes=2\nmin-cores=8\nmax-cores=16\nmax-sockets-per-node=1\ninterconnects=infiniband\n", place: "e")
        let shop = try Shop(edition)
        let mine = machine(1, licence: nil).nodes[0].record
        func board(_ binding: Binding, cores: Int = 4, sockets: Int = 1) throws -> [Violation.Code] {
            let licence = try shop.licence(binding)
            let record = BoardRecord(sockets: sockets, cores: cores, memoryMiB: 8192, model: mine.model, board: mine.board)
            let node = MachineInventory.Node(index: 0, licence: licence.id, record: record, interconnect: nil)
            return codes(
                .image(Authority(trusting: shop.root)), try documents(shop.grant.envelope, licence.envelope), MachineInventory(nodes: [node], of: 2),
                "2026-06-01T00:00:00Z")
        }
        let other = try #require(Fingerprint.board(systemUUID: "uuid-9", serialNumber: nil))
        let own = try #require(mine.board)
        #expect(try board(.none) == [] && board(.none, cores: 17) == [.tooManyCores] && board(.none, sockets: 2) == [.tooManySocketsInNode])
        #expect(try board(.listed(.board, [other], quorum: nil)) == [.board] && board(.listed(.board, [own, other], quorum: nil)) == [])
        #expect(try board(.listed(.board, [other], quorum: 1)) == [], "another board may be the listed one")
        #expect(try board(.model("Another")) == [.model])
    }

    @Test func aLicenceEndsAfterItBegins() throws {
        let shop = try Shop()
        for end in ["2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"] {
            let error = #expect(throws: LicensingError.self) { try shop.licence(until: at(end)) }
            #expect(error?.description.contains("before it begins") == true)
        }
        #expect(throws: LicensingError.self) { try Shop(grantEnds: at("2026-01-01T00:00:00Z")) }
        #expect(try shop.licence(until: at("2026-02-01T00:00:01Z")).notAfter != nil)
    }
}
