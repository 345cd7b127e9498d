import Platform
import Contract
public import Disk
public import Foundation
public import StickState
internal import BoardSupport

/// Reads a firmware image back: what is in it, and whether it is whole.
public struct ImageReader: Sendable {
    public let image: ImageFile
    /// The bank that this reader looks into.
    public let bank: Bank
    public let manifest: ImageManifest
    let stick: StickBanks
    let system: FATVolume

    /// What the image or stick was called.
    public var name: String { image.name }
    public var partitionTable: GUIDPartitionTable { image.partitionTable }

    /// What boot counting says about each bank that holds a firmware: the worse of UEFI's and BIOS's account. A firmware that the stick's node has
    /// marked bad is bad, and so is one whose manifest cannot be read.
    public var banks: [Bank: BootTries] { stick.contents.mapValues(\.tries) }

    /// Opens an image or a stick that `ImageBuilder` made.
    ///
    /// - Parameter bank: which firmware of a stick with two; nil takes the newest that is not bad.
    public init(_ image: ImageFile, bank wanted: Bank? = nil) throws(ImageError) {
        self.image = image
        guard let system = image.volume(ImageLayout.systemName) else {
            throw ImageError(.badInput, "\(image.name) is no vSMP image: it has no partition \(ImageLayout.systemName)")
        }
        self.system = system
        stick = try StickBanks(of: image, system)
        if let wanted, stick.contents[wanted] == nil { throw ImageError(.missingInput, "\(image.name) holds no firmware in bank \(wanted.rawValue)") }
        guard let bank = wanted ?? stick.newest ?? Bank.allCases.first(where: { [stick] in stick.contents[$0] != nil }),
            let content = stick.contents[bank]
        else { throw ImageError(.badInput, "\(image.name) is no vSMP image: its boot partition holds no firmware") }
        self.bank = bank
        manifest = try content.manifest.get()
    }

    /// The same for a file or disk.
    public init(_ file: URL, bank: Bank? = nil) throws(ImageError) { try self.init(try ImageFile(file.path), bank: bank) }

    /// The content of a file of the bank, for example `VMLINUZ`.
    public func contents(of name: String) throws(ImageError) -> Data {
        let program = stick.contents[bank]?.program
        return try systemFile(name == BootFiles.program ? program ?? name : "\(bank.folder)/\(name)")
    }

    /// A file of the boot partition that belongs to no bank.
    func systemFile(_ path: String) throws(ImageError) -> Data {
        Data(try onDisk { () throws(DiskError) in try system.content(of: path) })
    }

    /// systemd-boot.
    func loader() throws(ImageError) -> Data { try systemFile(BootFiles.loaderPath) }

    /// The files of the root file system: path to length in bytes (0 for what is no file).
    public func rootFiles() throws(ImageError) -> [String: Int] {
        try rootArchive().entries.mapValues { entry in
            if case .file(let content, _) = entry { content.count } else { 0 }
        }
    }

    /// The root file system as the kernel unpacks it; it must be the one that the manifest names.
    public func rootArchive() throws(ImageError) -> NewcArchive {
        let root = try Initramfs.split(try contents(of: BootFiles.initrd))
        try expect(
            manifest.parts.contains(ImageManifest.Part("initramfs", root.archive)), "the part initramfs is not what the manifest says")
        var archive = try NewcArchive(reading: root.archive)
        archive.add(.firmwareHash, ImageFact.content(root.hash))
        return archive
    }

    /// Checks every file against the manifest and computes the firmware hash again from what the image holds.
    ///
    /// This finds damage and mistakes. Who made the image only a signature proves.
    ///
    /// - Returns: whose signatures both UEFI programs carry, each right; none when one of them is not signed. Whether one of these may sign, and
    ///   whether the programs are theirs, is for the caller to say.
    @discardableResult
    public func verify() throws(ImageError) -> [SigningCertificate] { try verifiedContents().signers }

    /// What ``verify()`` checked: who signed, and the root file system without the firmware hash.
    func verifiedContents() throws(ImageError) -> (signers: [SigningCertificate], root: NewcArchive) {
        switch partitionTable.damage {
        // The image was copied onto a larger disk, whose end it does not reach.
        case .backup(.noSignature)?, nil: break
        case let damage?: throw ImageError(.inputOutput, "\(name): of its partition table \(damage): mend it with vsmp usb repair")
        }
        let (program, root) = try verifiedBank()
        let loaderSigners = try verifyLoaders()
        return (try Authenticode.signers(of: program).filter(loaderSigners.contains), root)
    }

    /// Checks the bank alone, without the boot loaders.
    func verifiedBank() throws(ImageError) -> (program: Data, root: NewcArchive) {
        var contents: [String: Data] = [:]
        for part in manifest.files {
            let content = try self.contents(of: part.name)
            try expect(ImageManifest.Part(part.name, content) == part, "\(part.name) is not what the manifest says")
            contents[part.name] = content
        }
        guard let kernel = contents[BootFiles.kernel], let initrd = contents[BootFiles.initrd], let program = contents[BootFiles.program] else {
            throw ImageError(.inputOutput, "\(name): the manifest lacks a boot file")
        }

        let sections = try UnifiedKernelImage.sections(of: program)
        try expect(sections[".linux"] == kernel, "UEFI and BIOS start different kernels")
        try expect(sections[".initrd"] == initrd, "UEFI and BIOS start different root file systems")
        let commandLine = Data(manifest.commandLine.utf8)
        try expect(sections[".cmdline"] == commandLine + [0], "UEFI starts another command line")
        let text = try BootFiles.bootText(
            title: ImageManifest.title(brand: manifest.brand, purpose: manifest.purpose), commandLine: manifest.commandLine)
        try expect(contents[BootFiles.bootText] == text, "BIOS starts another command line")

        let root = try Initramfs.split(initrd)
        let found = [
            ImageManifest.Part("kernel", kernel), ImageManifest.Part("initramfs", root.archive),
            ImageManifest.Part("command-line", commandLine), ImageManifest.Part("logo", sections[".splash"] ?? Data()),
        ]
        for part in found {
            try expect(manifest.parts.contains(part), "the part \(part.name) is not what the manifest says")
        }
        try expect(manifest.parts.count == found.count + 1, "the manifest names unknown parts")
        try expect(FirmwareHash(of: manifest.parts) == manifest.firmwareHash, "the firmware hash is wrong")
        try expect(root.hash == manifest.firmwareHash, "the root file system states another firmware hash")
        let archive = try NewcArchive(reading: root.archive)
        let stated: [(ImageFact, String)] = [
            (.purpose, manifest.purpose.rawValue), (.version, "\(manifest.version)"), (.rollbackCounter, "\(manifest.rollbackCounter)"),
        ]
        for (fact, value) in stated where archive.fact(fact) != value {
            throw ImageError(.inputOutput, "\(name): the root file system states another \(fact.rawValue): build the image again")
        }
        return (program, archive)
    }

    /// The boot loaders are those that either bank's manifest states: installing a firmware leaves them alone.
    private func verifyLoaders() throws(ImageError) -> [SigningCertificate] {
        try expect(try knownLoaders() != nil, "a boot loader is not what the manifest says")
        return try Authenticode.signers(of: try loader())
    }

    /// What a manifest states of the boot loaders that are there; nil when none does.
    package func knownLoaders() throws(ImageError) -> [ImageManifest.Part]? {
        let loader = try loader()
        for bank in [bank, bank.other] {
            guard case .success(let manifest)? = stick.contents[bank]?.manifest else { continue }
            if manifest.loaders == Self.loaderParts(try bootCode(manifest.loaders), loader) { return manifest.loaders }
        }
        return nil
    }

    private func expect(_ condition: Bool, _ problem: String) throws(ImageError) {
        if !condition {
            throw ImageError(.inputOutput, "\(name): \(problem): build the image or write the stick again")
        }
    }

    static func loaderParts(_ boot: BIOSBootCode, _ loader: Data) -> [ImageManifest.Part] {
        [
            ImageManifest.Part("bios-boot-sector", boot.bootSector), ImageManifest.Part("bios-core", boot.core),
            ImageManifest.Part(BootFiles.loaderPath, loader),
        ]
    }

    /// The boot code for BIOS, as it lies in front of the boot partition.
    func bootCode() throws(ImageError) -> BIOSBootCode { try bootCode(manifest.loaders) }

    private func bootCode(_ loaders: [ImageManifest.Part]) throws(ImageError) -> BIOSBootCode {
        let core = loaders.first { $0.name == "bios-core" }?.length ?? 0
        try expect(core <= ImageLayout.biosBootSize, "the boot loader bios-core is larger than its partition")
        return BIOSBootCode(bootSector: try image.bytes(at: 0, count: 440), core: try image.bytes(at: ImageLayout.biosBootStart, count: core))
    }

    /// Every file of a partition, by path.
    func files(inPartition name: String) throws(ImageError) -> [String] {
        guard let volume = image.volume(name) else { return [] }
        return try onDisk { () throws(DiskError) in try volume.files() }
    }

    /// The content of a file of any partition.
    func contents(of path: String, inPartition name: String) throws(ImageError) -> Data {
        guard let volume = image.volume(name) else { return Data() }
        return Data(try onDisk { () throws(DiskError) in try volume.content(of: path) })
    }
}
