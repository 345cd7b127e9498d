import Contract
internal import BoardSupport
internal import Disk
internal import Foundation
internal import StickState

/// What the boot partition of an image or stick holds: the boot loader for UEFI, what both loaders count starts in, and the banks.
///
/// A manifest names the files of its bank without their folder, because the same firmware can lie in either bank.
struct BootFiles {
    /// systemd-boot, which UEFI starts.
    static let loaderPath = "EFI/BOOT/BOOTX64.EFI"
    /// Names within a bank.
    static let program = Bank.program
    static let kernel = "VMLINUZ"
    static let initrd = "INITRD"
    static let manifest = Bank.manifest
    /// What GRUB shows and what it gives the kernel, as an environment block: data that it cannot execute.
    static let bootText = "BOOT.ENV"

    /// systemd-boot, signed or not.
    var loader: Data
    /// The files of the bank, by name.
    var files: [String: Data]

    /// Everything, by path, of a partition whose only firmware is in bank a.
    func partitionContents() throws(ImageError) -> [String: Data] {
        var environment = GrubEnvironment([:])
        environment.first = .a
        environment[.a] = .good
        environment[.b] = nil
        var contents = [
            Self.loaderPath: loader, LoaderConfiguration.path: Data(LoaderConfiguration().bytes),
            GrubEnvironment.path: Data(environment.bytes ?? []),
        ]
        for (name, content) in files { contents[Bank.a.path(of: name, .good)] = content }
        return contents
    }

    /// Bytes of the boot partition: room for a second bank, and for firmware half as large again in both.
    var partitionSize: Int {
        let bank = FATVolume.allocation(of: files.values.map(\.count))
        return FATVolume.size(forBytes: FATVolume.allocation(of: [loader.count]) + 3 * bank)
    }

    /// The content of `bootText`.
    static func bootText(title: String, commandLine: String) throws(ImageError) -> Data {
        guard let bytes = GrubEnvironment(["title": title, "cmdline": commandLine]).bytes else {
            throw ImageError(.badInput, "title and command line of the image have more than \(GrubEnvironment.size) bytes: shorten firmware/cmdline")
        }
        return Data(bytes)
    }
}
