import Platform
import Contract
import BoardSupport
import Disk
import Foundation
import StickState
import Testing

@testable import FirmwareImage

/// An image as only a builder other than ours makes it: more files, another boot loader. What it says of itself is true, so `verify` finds it whole.
enum FlawedImage {
    /// Builds an image, puts files into its root file system and onto its boot partition, and other code in place of its BIOS boot code.
    static func make(
        _ image: URL, by builder: ImageBuilder, rootFiles: [String: Data] = [:], bootFiles: [String: Data] = [:], bootCode: BIOSBootCode? = nil, signer: (any Signer)?
    ) throws {
        try builder.build(to: image)
        let reader = try ImageReader(image)
        var (archive, text) = (try NewcArchive(reading: try Initramfs.split(try reader.contents(of: BootFiles.initrd)).archive), reader.manifest.text)
        for (path, content) in rootFiles { archive.add(path, .file(content, permissions: 0o644)) }
        let initramfs = ImageManifest.Part("initramfs", archive.bytes())
        let parts = reader.manifest.parts.map { $0.name == initramfs.name ? initramfs : $0 }
        let hash = FirmwareHash(of: parts)
        let initrd = try Initramfs.joined(archive: archive.bytes(), hash: hash)
        let package = image.appendingPathExtension("package")
        try builder.store.extract(builder.lock.package(named: "systemd-boot-efi", purpose: "this test"), into: package)
        let unsigned = try UnifiedKernelImage.build(
            stub: try read(package.appendingPathComponent("usr/lib/systemd/boot/efi/linuxx64.efi.stub")),
            kernel: try reader.contents(of: BootFiles.kernel), initrd: initrd, commandLine: reader.manifest.commandLine,
            brand: builder.brand, purpose: builder.purpose, version: builder.version, hash: hash)
        let program = try signer.map { try Authenticode.sign(unsigned, by: $0) } ?? unsigned

        var files = [BootFiles.initrd: initrd, BootFiles.program: program]
        func line(_ keyword: String, _ part: ImageManifest.Part) -> String { "\(keyword) \(part.name) \(part.length) \(part.digest)\n" }
        let loader = try reader.loader()
        for (before, after) in zip(reader.manifest.loaders, ImageReader.loaderParts(try bootCode ?? reader.bootCode(), loader)) {
            text = text.replacingOccurrences(of: line("loader", before), with: line("loader", after))
        }
        for (before, after) in zip(reader.manifest.parts, parts) { text = text.replacingOccurrences(of: line("part", before), with: line("part", after)) }
        for file in reader.manifest.files {
            guard let content = files[file.name] else { continue }
            text = text.replacingOccurrences(of: line("file", file), with: line("file", ImageManifest.Part(file.name, content)))
        }
        files[BootFiles.manifest] = Data(text.replacingOccurrences(of: "\(reader.manifest.firmwareHash)", with: "\(hash)").utf8)
        var paths = bootFiles
        for (name, content) in files { paths[Bank.a.path(of: name, .good)] = content }
        for (path, content) in paths { try put(content, path, on: image, partition: ImageLayout.systemName) }
        if let bootCode {
            let handle = try FileHandle(forUpdating: image)
            defer { try? handle.close() }
            try handle.write(contentsOf: bootCode.bootSector)
            try handle.seek(toOffset: UInt64(ImageLayout.biosBootStart))
            try handle.write(contentsOf: bootCode.core)
        }
    }

    static func put(_ content: Data, _ path: String, on image: URL, partition name: String) throws {
        let partition = try #require(try ImageFile(image.path).partitionTable.partition(named: name))
        let file = image.appendingPathExtension("file")
        try write(content, to: file)
        try HostProgram("mcopy").data(["-o", "-i", "\(image.path)@@\(partition.offset)", file.path, "::/\(path)"])
    }

    /// GRUB as the builder makes it, with another script, other commands of the core's own, or more files in its memory disk.
    static func bootCode(script: String, configuration: String? = nil, more: [String: String] = [:]) throws -> BIOSBootCode {
        let scratch = try Scratch("script")
        let folder = URL(fileURLWithPath: "/usr/lib/grub/i386-pc")
        let start = UInt64(ImageLayout.biosBootStart / ImageLayout.sectorSize)
        guard configuration != nil || !more.isEmpty else { return try BIOSBootCode(folder: folder, commands: script, start: start) }
        let (commands, disk, core) = (scratch.url.appendingPathComponent("cfg"), scratch.url.appendingPathComponent("disk"), scratch.url.appendingPathComponent("core"))
        try write(configuration.map { Data($0.utf8) } ?? BIOSBootCode.configuration, to: commands)
        var archive = NewcArchive()
        archive.add("grub.cfg", .file(Data(script.utf8), permissions: 0o644))
        for (name, text) in more { archive.add(name, .file(Data(text.utf8), permissions: 0o644)) }
        try write(archive.bytes(), to: disk)
        try HostProgram("grub-mkimage").data(["-O", "i386-pc", "-d", folder.path, "-m", disk.path, "-p", "(,gpt2)/VSMP", "-c", commands.path, "-o", core.path]
                + ["biosdisk", "part_gpt", "fat", "memdisk", "newc", "normal", "linux", "boot"])
        return try BIOSBootCode(boot: try read(folder.appendingPathComponent("boot.img")), core: try read(core), start: start)
    }

    /// GRUB with its menu, on the serial port, in place of our own that has none.
    static func menuBootCode() throws -> BIOSBootCode {
        let scratch = try Scratch("menu")
        let (configuration, core) = (scratch.url.appendingPathComponent("cfg"), scratch.url.appendingPathComponent("core"))
        try write(
            Data("serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\nnormal (hd0,gpt2)/VSMP/GRUB.CFG\n".utf8),
            to: configuration)
        let folder = URL(fileURLWithPath: "/usr/lib/grub/i386-pc")
        try HostProgram("grub-mkimage").data(["-O", "i386-pc", "-d", folder.path, "-p", "(hd0,gpt2)/VSMP", "-c", configuration.path, "-o", core.path]
                + ["biosdisk", "part_gpt", "fat", "linux", "boot", "echo", "serial", "terminal", "normal"])
        return try BIOSBootCode(
            boot: try read(folder.appendingPathComponent("boot.img")), core: try read(core),
            start: UInt64(ImageLayout.biosBootStart / ImageLayout.sectorSize))
    }
}

/// An emulated board with a person at its serial port.
final class AttendedBoard {
    private let process = Process()
    private let keyboard = Pipe()
    private let log: URL
    /// How much of the text was there when something was typed last.
    private var seen = 0

    init(_ stick: URL, uefi: Bool) throws {
        log = stick.appendingPathExtension("log")
        try Data().write(to: log)
        process.executableURL = HostProgram.locate("qemu-system-x86_64").map { URL(fileURLWithPath: $0) }
        process.arguments =
            [
                "-machine", "q35", "-accel", "tcg,thread=single", "-cpu", "max,+svm,+npt", "-m", "1024", "-nodefaults", "-display", "none",
                "-no-reboot", "-serial", "stdio", "-device", "qemu-xhci", "-drive", "if=none,id=stick,format=raw,file=\(stick.path)",
                "-device", "usb-storage,drive=stick,bootindex=0", "-nic", "none",
            ] + (uefi ? ["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"] : [])
        process.standardInput = keyboard
        process.standardOutput = try FileHandle(forWritingTo: log)
        try process.run()
    }

    deinit {
        // A child of a test inherits blocked signals, so a polite one would never arrive.
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    /// What the serial port said so far.
    var text: String { (try? Data(contentsOf: log)).map { String(decoding: $0, as: UTF8.self) } ?? "" }

    func type(_ keys: String) throws {
        seen = text.utf8.count
        try keyboard.fileHandleForWriting.write(contentsOf: Data(keys.utf8))
    }

    /// Waits until the serial port says `words`, later than what was typed last.
    func expect(_ words: String, seconds: Double = 60, sourceLocation: SourceLocation = #_sourceLocation) {
        let end = Date().addingTimeInterval(seconds)
        func isSaid() -> Bool { String(decoding: text.utf8.dropFirst(seen), as: UTF8.self).contains(words) }
        while process.isRunning, Date() < end, !isSaid() { usleep(100_000) }
        let isThere = isSaid()
        #expect(isThere, "the board never said \(words):\n\(text)", sourceLocation: sourceLocation)
    }
}
