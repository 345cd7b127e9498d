import Bytes
import Contract
import BoardSupport
import Foundation
import Interconnect
import Licensing
import Platform
import TestSupport
import Testing

@testable import Node
@testable import NodeCommands

@Suite struct LicenceFactsTests {
    private let scratch = ScratchFolder()
    private var image: String { scratch.path + "/image" }
    private var stick: String { scratch.path + "/stick" }
    private let inventory = HardwareInventory(
        sockets: 2, cores: 8, threads: 16, memoryMiB: 4096, networkInterfaces: [], serialPorts: [],
        identity: .init(systemManufacturer: "Acme", systemProduct: "One"))

    private func facts(endorsementKey: [UInt8]? = nil) -> LicenceFacts {
        LicenceFacts(image: image, stick: stick, inventory: inventory, endorsementKey: endorsementKey, root: scratch.path)
    }

    private func codes(_ standing: NodeLicensing.Standing) -> [Violation.Code]? {
        if case .refused(let refusal) = standing { refusal.violations.map(\.code) } else { nil }
    }

    /// Everything but exactly the word of a development image is a release image, and one without a root accepts nothing.
    @Test(arguments: [nil, "", "release\n", "development", "development \n", "DEVELOPMENT\n", "development\nrelease\n"])
    func onlyADevelopmentImageIsOne(purpose: String?) throws {
        if let purpose { try scratch.write("image/purpose", purpose) }
        #expect(codes(facts().standing) == [.noRoot])
        try scratch.write("image/purpose", "development\n")
        guard case .development = facts().standing else { return #expect(Bool(false)) }
    }

    /// The wire counts, not what carries the pages on it.
    @Test(arguments: [("ib0", "32", InterconnectKind.infiniband), ("eth0", "1", .ethernet), ("gone", nil, .ethernet)] as [(String, String?, InterconnectKind)])
    func theWireThatLeadsToTheOthersIsSeen(name: String, type: String?, kind: InterconnectKind) throws {
        if let type { try scratch.write("sys/class/net/\(name)/type", type + "\n") }
        #expect(interconnectKind(.discovery(interface: name), SystemFiles(root: scratch.path)) == kind)
        #expect(interconnectKind(.fixed(listen: try SocketAddress("[::1]:1"), peers: [:]), SystemFiles(root: scratch.path)) == .ethernet)
    }

    @Test func theImagesRootAndTheSticksFilesAreRead() throws {
        let shop = try LicenceShop("edition=two\ntitle=Two\n")
        let licence = try shop.licence()
        try scratch.write("image/licence-root", shop.root.envelope.armoured)
        try scratch.write("image/built", "2026-03-01T00:00:00Z\n")
        try scratch.write("stick/license.vsl", "mail\r\n" + shop.grant.envelope.armoured + licence.envelope.armoured)
        try scratch.write("stick/deny.vsl", shop.denyList(4, []).envelope.armoured)
        let facts = facts()
        guard case .release(let documents, let authority) = facts.standing else { return #expect(Bool(false)) }
        #expect(documents.licences == [licence] && authority.denyList?.version == 4)
        #expect(facts.imageBuilt == UTCTimeStamp("2026-03-01T00:00:00Z"))
        let clock = facts.licensing(interconnect: .ethernet, choosesPolicies: false, marks: LicenceMarks(), clock: { 5 }, accepted: { _ in }).clock()
        #expect(clock.now == UTCTimeStamp(seconds: 5) && clock.floor == facts.imageBuilt)
        try scratch.write("stick/license.vsl", "-----BEGIN VSMP LICENCE-----\nAAAA\n-----END VSMP LICENCE-----\n")
        #expect(codes(self.facts().standing) == [.damaged])
    }

    /// What a node runs is one program: no build flag and no variable makes another of it.
    @Test(arguments: ["OEM/Licensing", "Node", "Commands/NodeCommands", "Commands/vsmpd"])
    func noBuildFlagAndNoVariableChangesTheCheck(module: String) throws {
        let folder = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/Sources/" + module
        let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String }.filter { $0.hasSuffix(".swift") } ?? []
        #expect(!files.isEmpty)
        for file in files {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            for word in ["#if", "getenv", "Glibc.environ", "ProcessInfo"] { #expect(!text.contains(word), "\(file) has \(word)") }
        }
    }

    @Test func aBoardIsWhatItMeasured() throws {
        try scratch.write("sys/class/dmi/id/product_uuid", "4c4c4544-0038-3010-8054-b7c04f564432\n")
        try scratch.write("sys/class/dmi/id/board_serial", "None\n")
        try scratch.link("sys/class/block/sda3", to: "../../devices/pci0/usb2/2-1/2-1:1.0/host0/target0/block/sda/sda3")
        let disk = "sys/devices/pci0/usb2/2-1"
        try scratch.write("\(disk)/serial", "4711\n")
        try scratch.write("\(disk)/2-1:1.0/host0/target0/block/sda/size", "16\n")
        try scratch.write("\(disk)/2-1:1.0/host0/target0/block/sda/sda3/uevent", "DEVNAME=sda3\nPARTNAME=VSMP-CONFIG\n")
        let record = facts(endorsementKey: [1, 2]).record
        #expect(
            record
                == BoardRecord(
                    sockets: 2, cores: 8, memoryMiB: 4096, model: "Acme / One",
                    board: .board(systemUUID: "4C4C4544-0038-3010-8054-B7C04F564432", serialNumber: nil), tpm: .tpm(endorsementKeyDigest: [1, 2]),
                    stick: .stick(size: 8192, serialNumber: "4711")))
        // Its own request says so.
        var documents = DocumentSet()
        try documents.read(Array(facts().request().utf8), place: "console")
        #expect(documents.requests[0].boards[0].stick == record.stick && documents.requests[0].boards[0].tpm == nil)
    }

    @Test func aLicenceIsInstalledOnTheNodeWhenItWillBeAccepted() throws {
        let shop = try LicenceShop("edition=two\ntitle=Two\n")
        let licence = try shop.licence()
        try scratch.write("image/licence-root", shop.root.envelope.armoured)
        try scratch.write("stick/machine.conf", "kit=k\nnodes=2\nnode=0\n")
        try scratch.write("new.vsl", shop.grant.envelope.armoured + licence.envelope.armoured)
        try scratch.write("other.vsl", LicenceShop("edition=two\ntitle=Two\n").licence().envelope.armoured)
        try scratch.write("cut.vsl", String(licence.envelope.armoured.dropLast(40)))
        let command = NodeLicenseCommand(image: image)
        func status(_ words: String...) -> Contract.ExitStatus { command.run(words.map { $0.replacingOccurrences(of: "@", with: scratch.path + "/") } + ["--config", stick]) }
        #expect(status("install", "@absent.vsl") == .missingInput)
        #expect(status("install", "@other.vsl") == .licenceRefused)
        #expect(status("install", "@cut.vsl") == .badInput)
        #expect(status("install") == .usage && status("burn") == .usage && status("request", "more") == .usage)
        #expect(try FileManager.default.contentsOfDirectory(atPath: stick) == ["machine.conf"])
        #expect(status("install", "@new.vsl") == .success)
        #expect(try FileManager.default.contentsOfDirectory(atPath: stick).sorted() == ["license.vsl", "machine.conf"])
        guard case .release(let documents, _) = facts().standing else { return #expect(Bool(false)) }
        #expect(documents.licences == [licence])
        #expect(command.run(["install", scratch.path + "/new.vsl", "--config", scratch.path + "/absent"]) == .cannotCreate)
        #expect(status("request") == .success)
    }

    /// What the machine's start would refuse is not installed: a licence that has ended, a clock that is not set, too many boards, another board.
    @Test func aLicenceThatTheBoardWouldRefuseIsNotInstalled() throws {
        let shop = try LicenceShop("edition=two\ntitle=Two\nmax-nodes=2\ngrace-days=5\n")
        let licence = try shop.licence(until: "2026-04-01T00:00:00Z")
        try scratch.write("image/licence-root", shop.root.envelope.armoured)
        try scratch.write("new.vsl", shop.grant.envelope.armoured + licence.envelope.armoured)
        func status(at time: String, nodes: Int) throws -> Contract.ExitStatus {
            try scratch.write("stick/machine.conf", "kit=k\nnodes=\(nodes)\nnode=0\n")
            let seconds = try #require(UTCTimeStamp(time)).seconds
            return NodeLicenseCommand(image: image, clock: { seconds }).run(["install", scratch.path + "/new.vsl", "--config", stick])
        }
        for (time, nodes) in [("2026-04-07T00:00:00Z", 2), ("2020-01-01T00:00:00Z", 2), ("2026-03-01T00:00:00Z", 3)] {
            #expect(try status(at: time, nodes: nodes) == .licenceRefused, "\(time) \(nodes)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: stick) == ["machine.conf"])
        #expect(try status(at: "2026-04-05T00:00:00Z", nodes: 2) == .success, "in grace a machine starts")
    }
}
