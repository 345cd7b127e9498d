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

    /// As `uuidgen --sha1 --namespace 6e4aa6b4-6a55-5c0e-8b0c-6f7b5cbd0a11 --name kit-7` says.
    @Test func theUUIDIsTheKits() throws {
        func uuid(_ kit: String) -> [UInt8]? { FirmwareIdentity(folder: "/nowhere").machine(version: "", kit: kit).smbios.uuid?.bytes }
        #expect(uuid("kit-7") == [0xC7, 0xE4, 0x34, 0xA5, 0x1B, 0x63, 0x50, 0xE5, 0x8F, 0x25, 0xDD, 0x5F, 0x7D, 0x1F, 0xF5, 0x24])
        #expect(Set((0..<100).map { uuid("kit-\($0)") }).count == 100 && uuid("") == nil)
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
