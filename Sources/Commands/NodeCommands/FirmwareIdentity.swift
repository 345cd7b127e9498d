internal import Bytes
internal import Contract
import Machine
import Node

/// What a node can say of the image it runs: the brand's name, for whom the image is, and who checked it while the board started.
struct FirmwareIdentity: Equatable {
    /// How the platform firmware came to this image.
    enum BootChain: String {
        case secureBoot = "UEFI with Secure Boot: the platform firmware checked the image's signature"
        case uefi = "UEFI without Secure Boot: nobody checked the image's signature"
        case bios = "BIOS: nobody checked the boot loader or the image"
    }

    var brand: String?
    var support: String?
    /// Names that the guest is told (`Brand` of the image): maker, machine, ACPI's OEM id.
    var manufacturer, product, oemID: String?
    var purpose: String?
    var bootChain: BootChain

    /// - Parameters:
    ///   - folder: where the image keeps what it says of itself, /etc/vsmp.
    ///   - root: in front of /sys.
    init(folder: String, root: String = "") {
        let file = ImageFact.brand.path(in: folder)
        var fields: [KeyValueText.Field] = []
        if let bytes = readFile(file), var text = try? KeyValueText(bytes, place: file, .exact) { fields = text.takeRest() }
        func value(_ name: String) -> String? { fields.first { $0.key == name }?.value }
        brand = value("name")
        support = value("support")
        manufacturer = value("manufacturer")
        product = value("product")
        oemID = value("oem-id")
        purpose = readFact(.purpose, in: folder)
        // Byte 0x1ec of the boot parameters is what the kernel's EFI stub found: 3 is enabled (Linux, Documentation/arch/x86/zero-page.rst;
        // include/linux/efi.h, efi_secureboot_mode).
        if let data = readFile(root + "/sys/kernel/boot_params/data"), data.count > 0x1ec, data[0x1ec] == 3 {
            bootChain = .secureBoot
        } else {
            bootChain = readText(root + "/sys/firmware/efi/fw_platform_size") == nil ? .bios : .uefi
        }
    }

    /// - Parameters:
    ///   - version: of the firmware.
    ///   - kit: tells one machine from another.
    func machine(version: String, kit: String) -> MachineIdentity {
        var identity = MachineIdentity()
        if let oemID {
            identity.acpi.oemID = oemID
            identity.acpi.oemTableID = oemID + "FW"
        }
        identity.smbios.manufacturer = manufacturer ?? identity.smbios.manufacturer
        identity.smbios.product = product ?? identity.smbios.product
        identity.smbios.firmwareVendor = brand ?? identity.smbios.firmwareVendor
        identity.smbios.firmwareVersion = version
        identity.smbios.serialNumber = kit
        identity.smbios.uuid = MachineUUID(kit: kit)
        return identity
    }

    var text: String {
        let lines = [
            brand.map { "brand \($0)" }, support.map { "help \($0)" }, purpose.map { "image \($0)" }, "boot \(bootChain.rawValue)",
        ]
        return lines.compactMap { $0 }.joined(separator: "\n")
    }
}
