import Platform
import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

/// What `vsmp image verify --release` refuses is real: the flaw is used on a board that was booted from the image, and the same image is refused
/// for that and nothing else.
@Suite(
    .serialized,
    .enabled(
        if: ProcessInfo.processInfo.environment["VSMP_TEST_BOARDS"] == "1",
        "boots emulated boards: set VSMP_TEST_BOARDS=1 (and run vsmp image lock before)"),
    .enabled(if: HostProgram.locate("qemu-system-x86_64") != nil, "qemu-system-x86_64 is not installed"),
    .enabled(if: FileManager.default.fileExists(atPath: "/usr/share/OVMF/OVMF_CODE_4M.fd"), "ovmf is not installed"),
    .enabled(if: HostProgram.locate("openssl") != nil, "openssl is not installed"))
struct FlawedBootTests {
    private let scratch: Scratch
    private var builder: ImageBuilder

    init() throws {
        scratch = try Scratch("flawed")
        let (source, firmware) = (repository.appendingPathComponent("firmware"), scratch.url.appendingPathComponent("firmware"))
        try FileManager.default.copyItem(at: source, to: firmware)
        let vsmpd = scratch.url.appendingPathComponent("vsmpd")
        try write(Data("#!/bin/busybox sh\nsleep 1000\n".utf8), to: vsmpd)
        builder = ImageBuilder(
            firmwareFolder: firmware, board: BoardContents(try BoardCatalogue(path: repository.appendingPathComponent("boards").path).load("qemu-q35")),
            brand: Brand(name: "Flawed", colour: "#123456", support: "nobody"), vsmpd: vsmpd,
            lock: try PackageLock(contentsOf: source.appendingPathComponent("packages.lock")), store: PackageStore.standard())
    }

    private func place(_ name: String) -> URL { scratch.url.appendingPathComponent(name) }

    /// A key that no board knows, and no development key.
    private func vendor() throws -> KeyFileSigner { try .vendor(in: scratch.url) }

    /// Each reason that the command gives, as `place: rule`; the image must be refused, and whole.
    private func refusals(_ image: URL) throws -> Set<String> {
        #expect(try VSMP.run(["image", "verify", image.path]).status == 0)
        let result = try VSMP.run(["image", "verify", "--release", image.path])
        #expect(result.status == 65, "\(result.output)")
        let lines = result.errors.replacingOccurrences(of: "vsmp: ", with: "").split(separator: "\n")
        return Set(lines.filter { !$0.contains("must not be shipped") }.map { $0.split(separator: ":").prefix(2).joined(separator: ":") })
    }

    /// An unsigned program starts; whoever sits at the serial port has a shell, reads a private key, and logs in with a password.
    @Test mutating func anUnsignedImageWithAShellAPasswordAndAKey() throws {
        (builder.purpose, builder.licensing) = (.release, try Workshop.vendorRoot())
        let script = String(decoding: try read(builder.firmwareFolder.appendingPathComponent("init")), as: UTF8.self)
        let flawed = script.replacingOccurrences(of: "\nsay() {", with: "\nwhile :; do sh -i </dev/ttyS0 >/dev/ttyS0 2>&1; done &\nsay() {")
        #expect(flawed != script)
        try write(Data(flawed.utf8), to: builder.firmwareFolder.appendingPathComponent("init"))
        let image = place("open.img")
        // The account's password is "letmein" (crypt(5), SHA-512).
        let hash = "$6$vsmp$WnCdCqic5OusADktAEDEhhB/4g20pq4SxijMMjorW.Ciqfnsp5hrezBmTbZLwP9WBPHzH.j60PzTteWc1PLXh0"
        try HostProgram("openssl").data(["genrsa", "-out", place("secret").path, "2048"])
        try FlawedImage.make(
            image, by: builder,
            rootFiles: [
                "etc/passwd": Data("root:*:0:0::/:/bin/sh\nacme:\(hash):1234:1234::/:/bin/sh\n".utf8), "etc/ssl/acme.pem": try read(place("secret")),
            ], signer: nil)

        #expect(try refusals(image) == ["EFI/BOOT/BOOTX64.EFI: unsigned", "FIRMWARE.EFI: unsigned", "/init: shell", "/init: other-script", "/etc/passwd: password", "/etc/ssl/acme.pem: secret"])

        let board = try AttendedBoard(image, uefi: true)
        board.expect("the stick holds no machine.conf")
        try board.type("echo SHELL-$((6 * 7))\n")
        board.expect("SHELL-42")
        try board.type("sha256sum /etc/ssl/acme.pem\n")
        board.expect("\(try ContentDigest(ofFile: place("secret")))")
        try board.type("login acme\n")
        board.expect("Password:")
        try board.type("wrong\n")
        board.expect("Login incorrect")
        board.expect("login:")
        // It asks for another name, and ends without one.
        try board.type("\u{4}")
        board.expect("# ")
        try board.type("login acme\n")
        board.expect("Password:")
        try board.type("letmein\n")
        board.expect("$ ")
        try board.type("echo I-AM-$(id -u)\n")
        board.expect("I-AM-1234")
    }

    /// A development image with the development key says on its console what it is.
    @Test mutating func aDevelopmentImage() throws {
        builder.signer = try DevelopmentKey.signer(in: place("state"))
        let image = place("development.img")
        try builder.build(to: image)
        #expect(try refusals(image) == ["MANIFEST.TXT: development-image", "EFI/BOOT/BOOTX64.EFI: development-key", "FIRMWARE.EFI: development-key"])
        let board = try AttendedBoard(image, uefi: true)
        board.expect("vsmp: DEVELOPMENT IMAGE: not for customers")
    }

    /// A second program beside ours, unsigned and with a higher version: systemd-boot starts that one.
    @Test mutating func aProgramThatNoManifestNames() throws {
        (builder.purpose, builder.signer, builder.licensing) = (.release, try vendor(), try Workshop.vendorRoot())
        let (plain, image) = (place("plain.img"), place("another.img"))
        try builder.build(to: plain)
        let reader = try ImageReader(plain)
        let package = place("package")
        try builder.store.extract(builder.lock.package(named: "systemd-boot-efi", purpose: "this test"), into: package)
        let another = try UnifiedKernelImage.build(
            stub: try read(package.appendingPathComponent("usr/lib/systemd/boot/efi/linuxx64.efi.stub")), kernel: try reader.contents(of: BootFiles.kernel),
            initrd: try reader.contents(of: BootFiles.initrd), commandLine: "console=ttyS0,115200 another.program=1", brand: builder.brand,
            purpose: .release, version: 99, hash: reader.manifest.firmwareHash)
        try FlawedImage.make(image, by: builder, bootFiles: ["EFI/Linux/another.efi": another], signer: builder.signer)

        #expect(try refusals(image) == ["VSMP-BOOT/EFI/Linux/another.efi: unexpected-file"])

        let board = try AttendedBoard(image, uefi: true)
        board.expect("Command line: console=ttyS0,115200 another.program=1")
    }

    /// GRUB shows a menu from the boot partition, and an editor for what it boots.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/lib/grub/i386-pc/serial.mod"), "grub-pc-bin is not installed"))
    mutating func anEditableBootMenu() throws {
        (builder.purpose, builder.signer, builder.licensing) = (.release, try vendor(), try Workshop.vendorRoot())
        let image = place("menu.img")
        let menu = "set timeout=-1\nmenuentry 'firmware of whoever wrote this' {\nlinux /VSMP/A/VMLINUZ quiet\ninitrd /VSMP/A/INITRD\n}\n"
        try FlawedImage.make(
            image, by: builder, bootFiles: ["VSMP/GRUB.CFG": Data(menu.utf8)], bootCode: try FlawedImage.menuBootCode(),
            signer: builder.signer)

        #expect(try refusals(image) == ["VSMP-BOOT/VSMP/GRUB.CFG: editable-boot-menu", "bios-core: other-script"])

        let board = try AttendedBoard(image, uefi: false)
        board.expect("firmware of whoever wrote this", seconds: 30)
        try board.type("e")
        board.expect("/VSMP/A/VMLINUZ quiet", seconds: 30)
    }
}
