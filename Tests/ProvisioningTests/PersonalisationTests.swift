import BoardSupport
import Foundation
import Testing

@testable import Provisioning

@Suite struct PersonalisationTests {
    @Test func machineConfigurationHasOneKeyALine() throws {
        var personalisation = StickPersonalisation(kit: try testKit(), node: 1)
        #expect(try personalisation.machineConfiguration() == "kit=kit-test\nnodes=2\nnode=1\n")
        personalisation.sliceMiB = 512
        personalisation.cacheMiB = 64
        personalisation.processors = 2
        personalisation.onFailure = .wait
        personalisation.policies = "read-replication,prefetch"
        #expect(
            try personalisation.machineConfiguration()
                == "kit=kit-test\nnodes=2\nnode=1\nslice-mib=512\ncache-mib=64\nprocessors=2\non-failure=wait\n"
                + "policies=read-replication,prefetch\n")
    }

    @Test func wrongNodesAndValuesAreRefused() throws {
        let kit = try testKit()
        for wrong in [
            StickPersonalisation(kit: kit, node: 2), StickPersonalisation(kit: kit, node: -1),
            StickPersonalisation(kit: kit, node: 0, sliceMiB: 0),
            StickPersonalisation(kit: kit, node: 0, policies: "a\nnode=0"),
        ] {
            #expect(throws: ProvisioningError.self) { try wrong.machineConfiguration() }
        }
        #expect(throws: ProvisioningError.self) { try Kit(id: "a\nb", nodes: 2, key: ClusterKey()) }
        #expect(throws: ProvisioningError.self) { try Kit(id: "kit", nodes: 0, key: ClusterKey()) }
    }

    @Test func keysDifferAndNeverShow() throws {
        let (first, second) = (ClusterKey(), ClusterKey())
        #expect(first != second)
        #expect(ClusterKey(hexadecimal: first.hexadecimal) == first)
        #expect(ClusterKey(hexadecimal: "12") == nil)
        #expect(ClusterKey(hexadecimal: String(repeating: "g", count: 64)) == nil)
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

    @Test func kitFileIsPrivateAndNeverOverwritten() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/kit"
        let kit = try Kit.create(nodes: 3)
        try kit.write(to: path)
        #expect(try Kit(path: path) == kit)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(throws: ProvisioningError.self) { try kit.write(to: path) }
        #expect(try Kit(path: path) == kit)
    }

    @Test func damagedKitFilesAreRefusedWithoutShowingTheKey() throws {
        let scratch = ScratchFolder()
        let digits = String(repeating: "ab", count: 32)
        for text in [
            "", "kit=a\nnodes=2\n", "kit=a\nnodes=x\ncluster-key=\(digits)\n",
            "kit=a\nnodes=2\ncluster-key=\(digits)0\n", "kit=a\nkit=b\nnodes=2\ncluster-key=\(digits)\n",
            "\(digits)\n",
        ] {
            try scratch.write("kit", text)
            do {
                _ = try Kit(path: scratch.path + "/kit")
                Issue.record("a damaged kit file was read")
            } catch {
                #expect(error.exitStatus == .badInput)
                #expect(!error.description.contains(digits))
            }
        }
    }
}
