import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

@Suite struct ModuleTests {
    private func tree(_ modules: [String: Data], builtIn: [String] = []) throws -> (Scratch, ModuleTree) {
        var files: [String: Data] = [:]
        let base = "lib/modules/9.9-test/"
        for (path, content) in modules { files[base + path] = content }
        files[base + "modules.order"] = Data(modules.keys.sorted().joined(separator: "\n").utf8)
        files[base + "modules.builtin"] = Data(builtIn.joined(separator: "\n").utf8)
        let root = try folder(files)
        return (root, try ModuleTree(root: root.url, packageName: "linux-image-test"))
    }

    private func list(_ text: String) throws -> ModuleList { try ModuleList(text: text, origin: "modules.conf") }

    @Test func dependenciesComeFirstAndOnce() throws {
        let (root, tree) = try tree(
            [
                "kernel/a/usb-storage.ko": moduleFile(depends: ["usbcore", "scsi_mod"]),
                "kernel/a/usbcore.ko": moduleFile(depends: ["usb-common"]),
                "kernel/a/usb-common.ko": moduleFile(), "kernel/a/scsi_mod.ko": moduleFile(depends: ["ext"]),
                "kernel/a/uas.ko": moduleFile(depends: ["usb-storage"], soft: "pre: crc absent post: late"),
                "kernel/a/crc.ko": moduleFile(),
            ], builtIn: ["kernel/b/ext.ko"])
        _ = root
        let order = try tree.loadOrder(for: try list("- uas\n- usb_storage\n- ext")).map(\.path)
        #expect(
            order == [
                "kernel/a/crc.ko", "kernel/a/usb-common.ko", "kernel/a/usbcore.ko", "kernel/a/scsi_mod.ko",
                "kernel/a/usb-storage.ko", "kernel/a/uas.ko",
            ])
    }

    @Test func conditionNeverTakesAModuleFromAnother() throws {
        let (root, tree) = try tree([
            "kernel/kvm.ko": moduleFile(parameters: ["fep"]), "kernel/ccp.ko": moduleFile(),
            "kernel/kvm-amd.ko": moduleFile(depends: ["kvm", "ccp"], parameters: ["npt"]),
        ])
        _ = root
        let steps = try tree.loadOrder(for: try list("svm kvm_amd npt=0 # comment\n- kvm fep=1\n"))
        #expect(
            steps == [
                .init(condition: .always, path: "kernel/kvm.ko", parameters: ["fep=1"]),
                .init(condition: .svm, path: "kernel/ccp.ko", parameters: []),
                .init(condition: .svm, path: "kernel/kvm-amd.ko", parameters: ["npt=0"]),
            ])
    }

    @Test func missingModuleIsNamedWithItsPackage() throws {
        let (root, tree) = try tree(["kernel/a.ko": moduleFile(depends: ["gone"])])
        _ = root
        let direct = imageError { _ = try tree.loadOrder(for: try list("- nothere")) }
        #expect(direct?.description.contains("nothere is not in the package linux-image-test") == true)
        let indirect = imageError { _ = try tree.loadOrder(for: try list("- a")) }
        #expect(indirect?.description.contains("gone, which a needs, is not in the package linux-image-test") == true)
    }

    @Test func unknownParameterIsRefused() throws {
        let (root, tree) = try tree(["kernel/kvm.ko": moduleFile(parameters: ["known"])])
        _ = root
        let error = imageError { _ = try tree.loadOrder(for: try list("- kvm unknown=1")) }
        #expect(error?.description.contains("has no parameter unknown") == true)
    }

    @Test func damagedModuleNeverCrashes() {
        let file = moduleFile(depends: ["x"], parameters: ["y"])
        for count in 0..<file.count { _ = KernelModule(elf: file.prefix(count)) }
        for index in file.indices {
            var damaged = file
            damaged[index] ^= 0xff
            _ = KernelModule(elf: damaged)
        }
        #expect(KernelModule(elf: file)?.dependencies == ["x"])
    }

    @Test(arguments: ["kvm", "sometimes kvm"]) func badListLineIsRefused(line: String) {
        #expect(imageError { _ = try list(line) }?.description.contains("modules.conf:1") == true)
    }

    @Test func listOfThisRepositorySetsWhatTheHypervisorNeeds() throws {
        let text = try String(contentsOf: repository.appendingPathComponent("firmware/modules.conf"), encoding: .utf8)
        let items = try list(text).items
        #expect(items.contains(.init("kvm", parameters: ["force_emulation_prefix=1"])))
        #expect(items.contains(.init("kvm_amd", when: .svm, parameters: ["npt=0"])))
        #expect(items.contains(.init("kvm_intel", when: .vmx, parameters: ["eptad=0", "preemption_timer=0"])))
    }
}
