public import Foundation
internal import BoardSupport

/// Reads a firmware image back: what is in it, and whether it is whole.
public struct ImageReader: Sendable {
    public let file: URL
    public let partitionTable: GUIDPartitionTable
    public let manifest: ImageManifest
    private let system: GUIDPartitionTable.Partition

    /// Opens an image or a stick that `ImageBuilder` made.
    public init(_ file: URL) throws(ImageError) {
        self.file = file
        partitionTable = try GUIDPartitionTable(of: file)
        guard let system = partitionTable.partition(named: "VSMP-BOOT") else {
            throw ImageError(.badInput, "\(file.path) is no vSMP image: it has no partition VSMP-BOOT")
        }
        self.system = system
        let text = try Self.contents(ImageManifest.path, of: file, at: system.offset)
        manifest = try ImageManifest(text: String(decoding: text, as: UTF8.self))
    }

    /// The content of a file of the boot partition, for example `VSMP/VMLINUZ`.
    public func contents(of path: String) throws(ImageError) -> Data {
        try Self.contents(path, of: file, at: system.offset)
    }

    /// The files of the root file system: path to length in bytes (0 for what is no file).
    public func rootFiles() throws(ImageError) -> [String: Int] {
        try rootArchive().entries.mapValues { entry in
            if case .file(let content, _) = entry { content.count } else { 0 }
        }
    }

    /// The root file system as the kernel unpacks it; it must be the one that the manifest names.
    public func rootArchive() throws(ImageError) -> NewcArchive {
        let root = try Initramfs.split(try contents(of: ImageManifest.initrdPath))
        try expect(
            manifest.parts.contains(FirmwareHash.part("initramfs", root.archive)), "the part initramfs is not what the manifest says")
        var archive = try NewcArchive(reading: root.archive)
        archive.add(Initramfs.hashPath, .file(Data("\(root.hash)\n".utf8), permissions: 0o644))
        return archive
    }

    /// Checks every file against the manifest and computes the firmware hash again from what the image holds.
    ///
    /// This finds damage and mistakes. Who made the image only a signature proves.
    ///
    /// - Returns: whose signatures the UEFI program carries, each right; none when it is not signed. Whether one of these may sign, and whether
    ///   the program is theirs, is for the caller to say.
    @discardableResult
    public func verify() throws(ImageError) -> [SigningCertificate] {
        var contents: [String: Data] = [:]
        for part in manifest.files {
            let content = try self.contents(of: part.name)
            try expect(FirmwareHash.part(part.name, content) == part, "\(part.name) is not what the manifest says")
            contents[part.name] = content
        }
        guard let kernel = contents[ImageManifest.kernelPath], let initrd = contents[ImageManifest.initrdPath],
            let unified = contents[ImageManifest.unifiedKernelPath]
        else { throw ImageError(.inputOutput, "\(file.path): the manifest lacks a boot file") }

        let sections = try UnifiedKernelImage.sections(of: unified)
        try expect(sections[".linux"] == kernel, "UEFI and BIOS start different kernels")
        try expect(sections[".initrd"] == initrd, "UEFI and BIOS start different root file systems")
        let commandLine = Data(manifest.commandLine.utf8)
        try expect(sections[".cmdline"] == commandLine + [0], "UEFI starts another command line")

        let root = try Initramfs.split(initrd)
        let boot = try bootCode()
        let found = [
            FirmwareHash.part("kernel", kernel), FirmwareHash.part("initramfs", root.archive),
            FirmwareHash.part("command-line", commandLine), FirmwareHash.part("bios-boot-sector", boot.bootSector),
            FirmwareHash.part("bios-core", boot.core), FirmwareHash.part("logo", sections[".splash"] ?? Data()),
        ]
        for part in found {
            try expect(manifest.parts.contains(part), "the part \(part.name) is not what the manifest says")
        }
        try expect(manifest.parts.count == found.count + 1, "the manifest names unknown parts")
        try expect(FirmwareHash.of(manifest.parts) == manifest.firmwareHash, "the firmware hash is wrong")
        try expect(root.hash == manifest.firmwareHash, "the root file system states another firmware hash")
        let stated = try NewcArchive(reading: root.archive).entries
        for (path, value) in [(ImagePurpose.path, manifest.purpose.rawValue), (RollbackCounter.path, "\(manifest.rollbackCounter)")] {
            guard case .file(let text, _) = stated[path], text == Data((value + "\n").utf8) else {
                let name = path.split(separator: "/").last.map(String.init) ?? path
                throw ImageError(.inputOutput, "\(file.path): the root file system states another \(name): build the image again")
            }
        }
        return try Authenticode.signers(of: unified)
    }

    private func expect(_ condition: Bool, _ problem: String) throws(ImageError) {
        if !condition {
            throw ImageError(.inputOutput, "\(file.path): \(problem): build the image or write the stick again")
        }
    }

    /// The boot code for BIOS, as it lies in front of the boot partition.
    func bootCode() throws(ImageError) -> BIOSBootCode {
        let core = manifest.parts.first { $0.name == "bios-core" }?.length ?? 0
        try expect(core <= ImageLayout.biosBootSize, "the part bios-core is larger than its partition")
        return BIOSBootCode(bootSector: try bytes(at: 0, count: 440), core: try bytes(at: ImageLayout.biosBootStart, count: core))
    }

    /// Every file of a partition, by path.
    func files(inPartition name: String) throws(ImageError) -> [String] {
        guard let partition = partitionTable.partition(named: name) else { return [] }
        let result = try HostTool.result("mdir", ["-/", "-b", "-a", "-i", "\(file.path)@@\(partition.offset)", "::/"])
        // mdir calls a root folder without files one that is not found.
        guard result.status == 0 || result.lastErrors.hasSuffix("File \"::/\" not found") else {
            throw ImageError(.inputOutput, "cannot list \(name) of \(file.path): \(result.lastErrors)")
        }
        return String(decoding: result.output, as: UTF8.self).split(separator: "\n").map { $0.replacingOccurrences(of: "::/", with: "") }
            .filter { !$0.isEmpty && !$0.hasSuffix("/") }
    }

    /// The content of a file of any partition.
    func contents(of path: String, inPartition name: String) throws(ImageError) -> Data {
        guard let partition = partitionTable.partition(named: name) else { return Data() }
        return try Self.contents(path, of: file, at: partition.offset)
    }

    private func bytes(at offset: Int, count: Int) throws(ImageError) -> Data {
        do {
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            try handle.seek(toOffset: UInt64(offset))
            return try handle.read(upToCount: count) ?? Data()
        } catch {
            throw ImageError(.inputOutput, "cannot read \(file.path): \(error.localizedDescription)")
        }
    }

    private static func contents(_ path: String, of image: URL, at offset: Int) throws(ImageError) -> Data {
        try HostTool.run("mcopy", ["-n", "-i", "\(image.path)@@\(offset)", "::/\(path)", "-"])
    }
}
