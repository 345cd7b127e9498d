import Platform
import Contract
import Bytes
import Foundation
import Licensing
import Disk
import Testing

@testable import FirmwareImage

/// A kit, an image and its sticks: what boards would refuse is refused at the desk, with their code. Everything goes through `vsmp`.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct KitLicenceTests {
    /// A vendor, an OEM with an edition of two boards, and images of the vendor.
    private final class Desk: Sendable {
        let folder: String
        private let scratch: Scratch
        let workshop: Workshop

        init() throws {
            scratch = try Scratch("desk")
            folder = scratch.url.path
            let keys = (root: SecretKey(), oem: SecretKey())
            let issued = try #require(UTCTimeStamp("2026-01-01T00:00:00Z"))
            let root = try RootStatement(vendor: "Vendor", key: keys.root, issued: issued)
            var workshop = try ImageBuildTests.shared.get().0.copy()
            workshop.builder.purpose = .release
            try FileManager.default.copyItem(at: try workshop.build(), to: scratch.url.appendingPathComponent("rootless.img"))
            workshop.builder.licensing = try LicensingRoot(Data(root.envelope.armoured.utf8), place: "root", built: "2026-01-15T00:00:00Z")
            try FileManager.default.copyItem(at: try workshop.build(), to: scratch.url.appendingPathComponent("release.img"))
            self.workshop = workshop
            func file(_ name: String, _ envelopes: [Envelope]) throws {
                try write(Data(envelopes.map(\.armoured).joined().utf8), to: scratch.url.appendingPathComponent(name))
            }
            for (name, nodes) in [("pair", 2), ("four", 4)] {
                let edition = try Edition(parsing: "edition=\(name)\ntitle=T\nmin-nodes=\(nodes)\nmax-nodes=\(nodes)\n", place: name)
                let grant = try EditionGrant(
                    oem: "Acme", key: keys.oem.publicKey, edition: edition, issued: issued, notAfter: nil, signedBy: keys.root)
                func licence(_ file: String, _ from: String, _ to: String) throws -> Licence {
                    let (issued, end) = (try #require(UTCTimeStamp(from)), try #require(UTCTimeStamp(to)))
                    return try Licence(
                        customer: "C", issued: issued, notAfter: end, under: grant, binding: .none, signedBy: keys.oem)
                }
                let old = try licence("old", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
                let new = try licence("new", "2026-02-20T00:00:00Z", "2027-03-01T00:00:00Z")
                try file("\(name)-old.vsl", [grant.envelope, old.envelope])
                try file("\(name)-new.vsl", [grant.envelope, new.envelope])
                let list = try DenyList(version: 1, issued: issued, licences: [new.id], keys: [], signedBy: keys.root)
                try file("\(name)-denied.vsl", [list.envelope])
            }
        }

        /// Runs `vsmp` with words in which `@` stands for the folder.
        func vsmp(_ words: String) throws -> VSMP.Result {
            try VSMP.run(words.split(separator: " ").map { $0.replacingOccurrences(of: "@", with: folder + "/") })
        }

        /// What is in a stick's file.
        func content(_ name: String, of stick: String) throws -> Data {
            let file = URL(fileURLWithPath: "\(folder)/\(stick)")
            let offset = try #require(try ImageFile(file.path).partitionTable.partition(named: "VSMP-CONFIG")).offset
            return Data(try HostProgram("mtype").data(["-i", "\(file.path)@@\(offset)", "::/\(name)"]))
        }

        func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")) }
    }

    private static let shared = Result { try Desk() }
    private let desk: Desk
    init() throws {
        desk = try Self.shared.get()
        for name in ["kit", "0.stick", "1.stick"] { try? FileManager.default.removeItem(atPath: "\(desk.folder)/\(name)") }
    }

    private func expect(_ words: String, _ status: Int32, _ code: String? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let result = try desk.vsmp(words)
        #expect(result.status == status, "\(words): \(result.errors)", sourceLocation: sourceLocation)
        if let code { #expect(result.errors.contains("licence \(code) "), "\(words): \(result.errors)", sourceLocation: sourceLocation) }
    }

    private let february = "--at 2026-02-25", june = "--at 2026-06-01"

    @Test func aStickThatDiedIsWrittenWithTheRenewedLicence() throws {
        try expect("kit create --edition pair --license @pair-old.vsl --out @kit \(february)", 0)
        try expect("usb write @release.img @0.stick @1.stick --kit @kit \(february)", 0)
        let key = try desk.data("kit/cluster.key")
        // The licence has ended: nothing is written, and the reason is the boards'.
        let before = try desk.data("1.stick")
        try expect("usb write @release.img @1.stick --kit @kit --node 1 \(june)", 85, "L202")
        #expect(try desk.data("1.stick") == before)
        try expect("kit renew @kit --license @pair-new.vsl \(june)", 0)
        try expect("usb write @release.img @1.stick --kit @kit --node 1 \(june)", 0)
        #expect(try desk.content("license.vsl", of: "1.stick") == desk.data("pair-new.vsl"))
        #expect(try desk.content("cluster.key", of: "1.stick") == key && desk.data("kit/cluster.key") == key)
        try expect("license install @pair-new.vsl @0.stick \(june)", 0)
        #expect(try desk.content("license.vsl", of: "0.stick") == desk.data("pair-new.vsl"))
    }

    @Test func whatBoardsWouldRefuseIsNotInstalled() throws {
        try expect("kit create --edition pair --license @pair-new.vsl --out @kit \(june)", 0)
        try expect("usb write @release.img @0.stick @1.stick --kit @kit \(june)", 0)
        try expect("license install @pair-old.vsl @0.stick \(june)", 85, "L202")
        try expect("license install @pair-old.vsl @0.stick --at 2020-01-01", 85, "L201")
        try expect("license install @four-new.vsl @0.stick @1.stick \(june)", 85, "L301")
        #expect(try desk.content("license.vsl", of: "0.stick") == desk.data("pair-new.vsl"))
    }

    @Test func aKitThatItsBoardsWouldRefuseIsNotMadeAndNotWritten() throws {
        try expect("kit create --edition pair --license @pair-old.vsl --out @kit \(june)", 85, "L202")
        try expect("kit create --edition pair --nodes 3 --license @pair-new.vsl --out @kit \(june)", 85, "L302")
        try expect("kit create --edition pair --license @pair-new.vsl --deny-list @pair-denied.vsl --out @kit \(june)", 85, "L104")
        #expect(!FileManager.default.fileExists(atPath: desk.folder + "/kit"))
        try expect("kit create --edition pair --license @pair-new.vsl --out @kit \(june)", 0)
        // Another vendor's image, and one of no vendor.
        try expect("usb write @rootless.img @0.stick @1.stick --kit @kit \(june)", 85, "L108")
        var other = try desk.workshop.copy()
        other.builder.licensing = try Workshop.vendorRoot()
        let image = try other.build()
        try expect("usb write \(image.path) @0.stick @1.stick --kit @kit \(june)", 85, "L103")
        #expect(!FileManager.default.fileExists(atPath: desk.folder + "/0.stick"))
        // A kit without a licence beside an image that asks for one.
        try FileManager.default.removeItem(atPath: desk.folder + "/kit")
        try expect("kit create --edition development --nodes 2 --out @kit", 0)
        try expect("usb write @release.img @0.stick @1.stick --kit @kit", 65)
        try expect("kit renew @kit --license @pair-new.vsl \(june)", 65)
    }

    @Test func aKitIsRenewedOnlyByALicenceThatFitsAndShown() throws {
        try expect("kit create --edition pair --license @pair-old.vsl --out @kit \(february)", 0)
        let names = ["kit.conf", "cluster.key", "license.vsl"]
        let before = try names.map { try desk.data("kit/\($0)") }
        try expect("kit renew @kit --license @four-new.vsl \(june)", 85, "L301")
        try expect("kit renew @kit --license @four-new.vsl --edition four \(june)", 85, "L301")
        try expect("kit renew @kit --license @pair-new.vsl --edition four \(june)", 65)
        try expect("kit renew @kit --license @pair-old.vsl \(june)", 85, "L202")
        try expect("kit renew @kit --license @absent.vsl", 66)
        try expect("kit renew @absent --license @pair-new.vsl", 66)
        #expect(try names.map { try desk.data("kit/\($0)") } == before)
        try expect("kit renew @kit --license @pair-new.vsl \(june)", 0)
        #expect(try desk.data("kit/license.vsl") == desk.data("pair-new.vsl"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: desk.folder + "/kit").sorted() == ["cluster.key", "kit.conf", "license.vsl"])
        let shown = try desk.vsmp("kit show @kit")
        #expect(shown.status == 0 && shown.errors.isEmpty && shown.output.contains("until 2027-03-01"), "\(shown)")
        let json = try desk.vsmp("kit show @kit --json")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        #expect(object["nodes"] as? Int == 2 && object["edition"] as? String == "pair" && object["until"] as? String == "2027-03-01T00:00:00Z")
        let key = String(decoding: try desk.data("kit/cluster.key").prefix(64), as: UTF8.self)
        #expect(!shown.output.contains(key) && !json.output.contains(key))
        // Others can read the key: every command that uses it says so.
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: desk.folder + "/kit/cluster.key")
        let warned = try desk.vsmp("kit show @kit")
        #expect(warned.status == 0 && warned.errors.contains("cluster.key") && warned.errors.contains("warning"))
    }
}
