import Foundation
import Machine
import TestSupport
import Testing

@testable import Node
@testable import NodeCommands

@Suite struct FirmwareIdentityTests {
    private func root(_ files: [String: Data]) throws -> ScratchFolder {
        let root = ScratchFolder()
        for (path, content) in files { try root.write(path, content) }
        return root
    }

    /// The byte is at 0x1ec of struct boot_params.
    private func parameters(secureBoot: UInt8) -> Data {
        var data = Data(count: 4096)
        data[0x1ec] = secureBoot
        return data
    }

    @Test(arguments: [
        (UInt8(3), true, FirmwareIdentity.BootChain.secureBoot), (2, true, .uefi), (0, true, .uefi), (0, false, .bios),
    ])
    func whoCheckedTheImageIsTold(byte: UInt8, hasUEFI: Bool, chain: FirmwareIdentity.BootChain) throws {
        var files = ["sys/kernel/boot_params/data": parameters(secureBoot: byte)]
        if hasUEFI { files["sys/firmware/efi/fw_platform_size"] = Data("64\n".utf8) }
        let root = try root(files)
        #expect(FirmwareIdentity(folder: "/nowhere", root: root.path).bootChain == chain)
    }

    @Test func theGuestIsToldTheBrandsNames() throws {
        let root = try root([
            "etc/brand": Data("name=Acme\nmanufacturer=Acme Ltd\nproduct=Acme One\noem-id=ACME\ntools-prefix=acme\n".utf8)
        ])
        let machine = FirmwareIdentity(folder: root.path + "/etc", root: root.path).machine(version: "0123", kit: "kit-7")
        #expect(machine.acpi.oemID == "ACME" && machine.acpi.oemTableID == "ACMEFW")
        #expect(machine.smbios.manufacturer == "Acme Ltd" && machine.smbios.product == "Acme One" && machine.smbios.firmwareVendor == "Acme")
        #expect(machine.smbios.firmwareVersion == "0123" && machine.smbios.serialNumber == "kit-7")
        #expect(FirmwareIdentity(folder: "/nowhere", root: root.path).machine(version: "", kit: "").acpi.oemID == "VSMP")
    }

    @Test func brandAndPurposeAreWhatTheImageSays() throws {
        let root = try root([
            "etc/brand": Data("name=Acme One\ncolour=#112233\nsupport=help@acme.example\n".utf8), "etc/purpose": Data("development\n".utf8),
        ])
        let identity = FirmwareIdentity(folder: root.path + "/etc", root: root.path)
        #expect(
            identity.text == "brand Acme One\nhelp help@acme.example\nimage development\nboot BIOS: nobody checked the boot loader or the image")
    }
}
