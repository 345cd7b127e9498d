import Bytes
import Contract
import BoardSupport
import Coherence
import Foundation
import Licensing
import Testing

@testable import Provisioning

@Suite struct PersonalisationTests {
    private let now = UTCTimeStamp("2026-06-01T00:00:00Z")!

    @Test func machineConfigurationHasOneKeyALine() throws {
        var personalisation = StickPersonalisation(kit: try testKit(), node: 1)
        #expect(try personalisation.machineConfiguration() == "kit=kit-test\nnodes=2\nnode=1\n")
        personalisation.machine.sliceMiB = 512
        personalisation.machine.cacheMiB = 64
        personalisation.machine.processors = 2
        personalisation.machine.onFailure = .wait
        personalisation.machine.policies = [.readReplication, .stridePrefetch]
        #expect(
            try personalisation.machineConfiguration()
                == "kit=kit-test\nnodes=2\nnode=1\nslice-mib=512\ncache-mib=64\nprocessors=2\non-failure=wait\n"
                + "policies=read-replication,stride-prefetch\n")
    }

    @Test func wrongNodesAndValuesAreRefused() throws {
        let kit = try testKit()
        for wrong in [
            StickPersonalisation(kit: kit, node: 2),
            StickPersonalisation(kit: kit, node: 0, sliceMiB: 0), StickPersonalisation(kit: kit, node: 0, sliceMiB: 1),
            StickPersonalisation(kit: kit, node: 0, cacheMiB: 0), StickPersonalisation(kit: kit, node: 0, processors: 4097),
        ] {
            #expect(throws: ProvisioningError.self) { try wrong.machineConfiguration() }
        }
        #expect(throws: ProvisioningError.self) { try Kit(id: "a\nb", nodes: 2, key: ClusterKey()) }
        #expect(throws: ProvisioningError.self) { try Kit(id: "kit", nodes: 0, key: ClusterKey()) }
    }

    @Test func keysDifferAndNeverShow() throws {
        let (first, second) = (ClusterKey(), ClusterKey())
        #expect(first != second)
        #expect(ClusterKey(hexadecimal: first.hexadecimal.utf8) == first)
        #expect(ClusterKey(hexadecimal: "12".utf8) == nil)
        #expect(ClusterKey(hexadecimal: String(repeating: "g", count: 64).utf8) == nil)
        let kit = try Kit(id: "kit", nodes: 2, key: first)
        let personalisation = StickPersonalisation(kit: kit, node: 0)
        var dumped = ""
        dump(personalisation, to: &dumped)
        for text in [dumped, "\(personalisation)", String(reflecting: kit), "\(first)"] {
            #expect(!text.contains(first.hexadecimal))
            #expect(!text.contains("UInt8"))
            #expect(!text.contains("bytes"))
        }
    }

    @Test func aKitsFolderIsPrivateAndNeverOverwritten() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/kit"
        let kit = try Kit.create(nodes: 3)
        try kit.write(to: path)
        #expect(try Kit(folder: path) == kit)
        for (name, mode) in [("", 0o700), ("/cluster.key", 0o600), ("/kit.conf", 0o600)] {
            #expect(try FileManager.default.attributesOfItem(atPath: path + name)[.posixPermissions] as? Int == mode)
        }
        #expect(throws: ProvisioningError.self) { try kit.write(to: path) }
        #expect(try Kit(folder: path) == kit)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["kit"])
        #expect(throws: ProvisioningError.self) { try kit.write(to: scratch.path + "/absent/kit") }
    }

    @Test func damagedKitsAreRefusedWithoutShowingTheKey() throws {
        let digits = String(repeating: "ab", count: 32)
        for (configuration, key) in [
            ("", digits), ("kit=a\nnodes=x\n", digits), ("kit=a\nnodes=2\n", digits + "0"), ("kit=a\nkit=b\nnodes=2\n", digits),
            ("kit=a\nnodes=2\nedition=standalone\n", digits), ("kit=a\nnodes=2\ncluster-key=\(digits)\n", digits), ("kit=a\nnodes=2\n", ""),
        ] {
            let scratch = ScratchFolder()
            try scratch.write("kit.conf", configuration)
            try scratch.write("cluster.key", key)
            do {
                _ = try Kit(folder: scratch.path)
                Issue.record("a damaged kit was read")
            } catch {
                #expect(error.exitStatus == .badInput)
                #expect(!error.description.contains(digits))
            }
        }
    }

    /// The same key, licence and edition give the same bytes, and the name tells kits apart without telling the key.
    @Test func aKitIsReproducibleExceptForItsKey() throws {
        var random = SeededKeys()
        let key = ClusterKey(using: &random)
        let licence = try licenceFile(edition: "two", nodes: 2...2)
        var folders: [[String: Data]] = []
        for key in [key, key, ClusterKey()] {
            let scratch = ScratchFolder()
            let kit = try Kit.create(edition: "two", nodes: nil, licence: licence, key: key, at: now)
            try kit.write(to: scratch.path + "/kit")
            #expect(try Kit(folder: scratch.path + "/kit") == kit)
            var content: [String: Data] = [:]
            for name in try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/kit") {
                content[name] = try Data(contentsOf: URL(fileURLWithPath: "\(scratch.path)/kit/\(name)"))
            }
            folders.append(content)
        }
        #expect(folders[0] == folders[1])
        #expect(folders[0]["kit.conf"] != folders[2]["kit.conf"] && folders[0]["license.vsl"] == folders[2]["license.vsl"])
        let id = try Kit.create(nodes: 2, key: key).id
        #expect(id.hasPrefix("kit-") && !key.hexadecimal.contains(id.dropFirst(4)))
    }

    @Test func aKitHasTheBoardsOfItsEdition() throws {
        let fixed = try licenceFile(edition: "two", nodes: 2...2)
        let open = try licenceFile(edition: "few", nodes: 4...16)
        #expect(try Kit.create(edition: "two", nodes: nil, licence: fixed, at: now).nodes == 2)
        #expect(try Kit.create(edition: "few", nodes: 5, licence: open, at: now).nodes == 5)
        for (edition, nodes, licence) in [("few", nil, open), ("other", 2, fixed)] as [(String, Int?, [UInt8])] {
            #expect(throws: ProvisioningError.self) { try Kit.create(edition: edition, nodes: nodes, licence: licence, at: now) }
        }
        // With the code that the boards would say.
        for (edition, nodes, licence, code) in [("two", 3, fixed, .tooManyNodes), ("few", 3, open, .tooFewNodes), ("few", 17, open, .tooManyNodes)]
            as [(String, Int, [UInt8], Violation.Code)]
        {
            let refusal = #expect(throws: LicenceRefusal.self) { try Kit.create(edition: edition, nodes: nodes, licence: licence, at: now) }
            #expect(refusal?.violations.map(\.code) == [code])
        }
        #expect(throws: (any Error).self) { try Kit.create(edition: "two", nodes: 2, licence: Array(fixed.dropLast(30)), at: now) }
    }
}

struct SeededKeys: RandomNumberGenerator {
    var state: UInt64 = 1
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state
    }
}

/// A licence that somebody signed, for an edition with so many boards.
func licenceFile(edition: String, nodes: ClosedRange<Int>) throws -> [UInt8] {
    let (root, oem) = (SecretKey(), SecretKey())
    let text = "edition=\(edition)\ntitle=E\nmin-nodes=\(nodes.lowerBound)\nmax-nodes=\(nodes.upperBound)\n"
    let issued = try #require(UTCTimeStamp("2026-01-01T00:00:00Z"))
    let grant = try EditionGrant(
        oem: "Acme", key: oem.publicKey, edition: Edition(parsing: text, place: "edition"), issued: issued, notAfter: nil, signedBy: root)
    let licence = try Licence(customer: "C", issued: issued, notAfter: nil, under: grant, binding: .none, signedBy: oem)
    return Array((grant.envelope.armoured + licence.envelope.armoured).utf8)
}

@Suite struct KitSizeTests {
    /// A kit that is made is one whose sticks every node accepts.
    @Test(arguments: [0, 17, 32, 64]) func aKitOfASizeThatNodesRefuseIsNotMade(nodes: Int) {
        let error = #expect(throws: ProvisioningError.self) { try Kit.create(nodes: nodes) }
        #expect(error?.exitStatus == .badInput)
        #expect(error?.description.contains("1 to 16 nodes, not \(nodes)") == true)
    }
}
