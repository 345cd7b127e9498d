internal import Platform
import Bytes
import Contract
internal import Foundation
internal import BoardSupport

/// GRUB for machines that start in BIOS mode: 440 bytes in the first sector, which load the core image from the BIOS
/// boot partition. The core holds its own commands in an archive (GRUB's memory disk), so no menu file on the stick is read.
struct BIOSBootCode {
    /// The first 440 bytes of the disk.
    let bootSector: Data
    /// The content of the BIOS boot partition.
    let core: Data

    private static let modules = [
        "biosdisk", "part_gpt", "fat", "memdisk", "newc", "normal", "loadenv", "test", "linux", "boot", "echo", "sleep", "reboot", "halt",
    ]
    /// Boot code that an image holds already.
    init(bootSector: Data, core: Data) {
        self.bootSector = bootSector
        self.core = core
    }

    /// - Parameters:
    ///   - folder: GRUB's `i386-pc` folder.
    ///   - commands: what GRUB executes, `grub.cfg`.
    ///   - start: the first sector of the BIOS boot partition.
    init(folder: URL, commands: String, start: UInt64) throws(ImageError) {
        let scratch = try Scratch("grub")
        let configuration = scratch.url.appendingPathComponent("load.cfg")
        let archive = scratch.url.appendingPathComponent("memdisk")
        let output = scratch.url.appendingPathComponent("core.img")
        // The core's own commands can neither choose nor count; those of `normal` can.
        try write(Self.configuration, to: configuration)
        var files = NewcArchive()
        files.add(ShippedScripts.grub.rawValue, .file(Data(commands.utf8), permissions: 0o644))
        try write(files.bytes(), to: archive)
        try HostProgram("grub-mkimage").data([
                // A prefix in front of -m would not count.
                "-O", "i386-pc", "-d", folder.path, "-m", archive.path, "-p", "(,gpt2)/VSMP", "-c", configuration.path, "-o", output.path,
            ] + Self.modules)
        try self.init(boot: try read(folder.appendingPathComponent("boot.img")), core: try read(output), start: start)
    }

    /// Tells both parts where the core lies. Offsets are those of GRUB 2's include/grub/i386/pc/boot.h.
    init(boot: Data, core: Data, start: UInt64) throws(ImageError) {
        guard boot.count == 512, core.count > 512, core.count <= ImageLayout.biosBootSize else {
            throw ImageError(
                .badInput, "GRUB's boot.img has \(boot.count) bytes and its core \(core.count): expected 512 and "
                    + "at most \(ImageLayout.biosBootSize)")
        }
        var boot = Data(boot)
        // GRUB_BOOT_MACHINE_KERNEL_SECTOR
        boot.replaceSubrange(0x5c..<0x64, with: start.bytes())
        // GRUB_BOOT_MACHINE_DRIVE_CHECK: two NOPs instead of a jump, for BIOSes that pass a wrong drive number.
        boot.replaceSubrange(0x66..<0x68, with: [0x90, 0x90])
        bootSector = boot.prefix(440)

        var core = Data(core)
        let sectors = (core.count + 511) / 512
        core.append(Data(count: sectors * 512 - core.count))
        // The first block list of diskboot.img: where the core's second sector lies and how many follow.
        core.replaceSubrange(0x1f4..<0x1fc, with: (start + 1).bytes())
        core.replaceSubrange(0x1fc..<0x1fe, with: UInt16(sectors - 1).bytes())
        self.core = core
    }
}
