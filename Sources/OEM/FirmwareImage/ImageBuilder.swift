internal import StickState
import Bytes
public import Contract
internal import BoardSupport
public import Foundation

/// Assembles a firmware image from a lock, a store, a board, a brand and `vsmpd`. Needs no root and no network, and gives
/// the same bytes for the same input and the same host tools.
public struct ImageBuilder: Sendable {
    /// The folder with init, cmdline, grub.cfg and modules.conf.
    public var firmwareFolder: URL
    public var board: BoardContents
    public var brand: Brand
    /// The node's executable, statically linked.
    public var vsmpd: URL
    public var lock: PackageLock
    public var store: PackageStore
    /// For whom the image is.
    public var purpose = ImagePurpose.development
    /// Which of two images is newer; what a maker ships next has a higher one.
    public var version: UInt32 = 1
    /// Raised only when older images must never run again where this one did (docs/images.md, "Going back").
    public var rollbackCounter = RollbackCounter.zero
    /// Who signs the UEFI programs; nil leaves them unsigned, for `vsmp image digests` and `attach`.
    public var signer: (any Signer)?
    /// Whose licences the image accepts; without it a release image starts no machine of several nodes.
    public var licensing: LicensingRoot?
    /// Bytes of the partition for a stick's personalisation and guest, one of ``ImageLayout/configurationSizes`` in whole MiB.
    public var configurationSize = ImageLayout.usualConfigurationSize
    /// The most bytes that the image may have; nil leaves that to the board.
    public var sizeLimit: Int?
    /// What builds before this one computed, beside the store; nil computes everything.
    public var cache: BuildCache?

    public init(
        firmwareFolder: URL, board: BoardContents, brand: Brand, vsmpd: URL, lock: PackageLock, store: PackageStore
    ) {
        self.firmwareFolder = firmwareFolder
        self.board = board
        self.brand = brand
        self.vsmpd = vsmpd
        self.lock = lock
        self.store = store
        cache = BuildCache(root: store.root.appendingPathComponent("cache"))
    }

    /// The hash that an image built from this input has, without building it.
    public func firmwareHash() throws(ImageError) -> FirmwareHash {
        FirmwareHash(of: try assemble { _ in }.parts)
    }

    /// Builds the image as a (sparse) file at `output`, which is replaced only when everything worked.
    ///
    /// - Returns: what the image says about itself.
    @discardableResult
    public func build(to output: URL, progress: (String) -> Void = { _ in }) throws(ImageError) -> ImageManifest {
        if let certificate = signer?.certificate, purpose == .release, certificate.isDevelopment {
            throw ImageError(.badInput, "a release image cannot be signed with the development key: give the key of \(brand.name)")
        }
        try checkFolder(of: output)
        try checkReplaceable(output)
        let content = try assemble(progress)
        let hash = FirmwareHash(of: content.parts)
        let initrd = try Initramfs.joined(archive: content.archive, hash: hash, cache: cache)

        progress("boot loaders")
        let program = try UnifiedKernelImage.build(
            stub: content.stub, kernel: content.kernel, initrd: initrd, commandLine: content.commandLine, brand: brand, purpose: purpose,
            version: version, hash: hash)
        if let signer { progress("signing as \(signer.certificate.subject)") }
        func signed(_ program: Data) throws(ImageError) -> Data {
            try signer.map { signer throws(ImageError) in try Authenticode.sign(program, by: signer) } ?? program
        }
        let loader = try signed(content.loader)
        var files = [
            BootFiles.program: try signed(program), BootFiles.kernel: content.kernel, BootFiles.initrd: initrd,
            BootFiles.bootText: try BootFiles.bootText(
                title: ImageManifest.title(brand: brand.name, purpose: purpose), commandLine: content.commandLine),
            Self.licencesPath: try licences(of: content.components),
        ]
        if let offer = brand.offer { files[Self.offerPath] = offer }
        let materials = try billOfMaterials(
            components: content.components, archive: content.archive, owners: content.owners,
            parts: [
                ("boot/\(BootFiles.kernel)", content.kernel, "linux-image-"), ("part/efi-stub", content.stub, "systemd-boot-efi"),
                ("part/efi-loader", content.loader, "systemd-boot-efi"),
                ("part/bios-boot-sector", content.boot.bootSector, "grub-pc-bin"), ("part/bios-core", content.boot.core, "grub-pc-bin"),
            ], hash: hash)
        files[BillOfMaterials.path] = materials
        try checkSize(BootFiles(loader: loader, files: files), archive: content.archive)
        let manifest = ImageManifest(
            facts: FirmwareFacts(hash: hash, version: version, rollbackCounter: rollbackCounter), purpose: purpose, brand: brand.name,
            board: board.name, kernelRelease: content.kernelRelease, commandLine: content.commandLine,
            parts: content.parts, loaders: ImageReader.loaderParts(content.boot, loader),
            files: files.sorted { $0.key < $1.key }.map { ImageManifest.Part($0.key, $0.value) },
            packages: lock.packages, sources: lock.sources, inputs: content.inputs, tools: try Self.toolVersions(), missingBlobs: missingBlobs)
        files[BootFiles.manifest] = Data(manifest.text.utf8)

        progress("disk image")
        let scratch = try Scratch("image")
        let image = scratch.url.appendingPathComponent("image")
        try DiskImage.write(to: image, boot: content.boot, files: BootFiles(loader: loader, files: files), hash: hash, configurationSize: configurationSize)
        try DiskImage.replace(output, with: image, materials: materials)
        cache?.prune()
        return manifest
    }

    /// Everything that the firmware hash covers, and the boot loaders.
    private struct Content {
        let kernel, stub, loader, archive: Data
        /// The package of a file in the archive, by path, where its place does not tell.
        let owners: [String: String]
        let kernelRelease, commandLine: String
        let boot: BIOSBootCode
        let components: [Component]
        let inputs: [ImageManifest.Part]
        let logo: Data

        var parts: [ImageManifest.Part] {
            [
                ImageManifest.Part("kernel", kernel), ImageManifest.Part("initramfs", archive),
                ImageManifest.Part("command-line", Data(commandLine.utf8)), ImageManifest.Part("efi-stub", stub),
                ImageManifest.Part("logo", logo),
            ]
        }
    }

    private func assemble(_ progress: (String) -> Void) throws(ImageError) -> Content {
        // Checked first: it is the input that a person most often gets wrong, and unpacking takes a while.
        let node = try read(vsmpd)
        try NodeExecutable.check(node, path: vsmpd.path)
        let scratch = try Scratch("packages")
        let roots = try unpack(into: scratch.url, progress)
        let kernelPackage = try lock.package(named: "linux-image-", purpose: "a firmware image")
        let tree = try ModuleTree(root: roots.kernel, packageName: kernelPackage.name)

        progress("root file system")
        let subnetManager = board.hasSubnetManager ? try SubnetManager(roots: roots.all) : nil
        let inputs = try inputs(node: node)
        let commandLine = board.commandLine(try firmwareText("cmdline"))
        return Content(
            kernel: try read(roots.kernel.appendingPathComponent("boot/vmlinuz-\(tree.release)")),
            stub: try read(roots.stub.appendingPathComponent("usr/lib/systemd/boot/efi/linuxx64.efi.stub")),
            loader: try read(roots.stub.appendingPathComponent("usr/lib/systemd/boot/efi/systemd-bootx64.efi")),
            archive: try rootArchive(
                tree, busybox: try read(roots.busybox.appendingPathComponent("bin/busybox")), vsmpd: try NodeExecutable.stripped(node),
                subnetManager),
            owners: subnetManager?.owners ?? [:],
            kernelRelease: tree.release, commandLine: commandLine,
            boot: try BIOSBootCode(
                folder: roots.grub.appendingPathComponent("usr/lib/grub/i386-pc"),
                commands: try bootCommands(),
                start: UInt64(ImageLayout.biosBootStart / ImageLayout.sectorSize)),
            components: try components(roots: roots.all, inputs: inputs), inputs: inputs, logo: brand.logo ?? Data())
    }

    private struct Roots {
        let kernel, busybox, stub, grub: URL
        /// Every package, by name.
        let all: [String: URL]
    }

    private func unpack(into scratch: URL, _ progress: (String) -> Void) throws(ImageError) -> Roots {
        var all: [String: URL] = [:]
        for package in lock.packages {
            progress("unpacking \(package.name) \(package.version)")
            func extract(_ folder: URL) throws(ImageError) { try store.extract(package, into: folder) }
            // A digest beside a file says that it is whole, not that it is the package's: what is shipped comes from the package itself.
            if purpose == .development, let tree = cache?.tree(of: package.digest, extract: extract) {
                all[package.name] = tree
            } else {
                let root = scratch.appendingPathComponent(package.name)
                try extract(root)
                all[package.name] = root
            }
        }
        func root(_ name: String) throws(ImageError) -> URL {
            let package = try lock.package(named: name, purpose: "a firmware image").name
            return all[package] ?? scratch.appendingPathComponent(package)
        }
        return Roots(
            kernel: try root("linux-image-"), busybox: try root("busybox-static"), stub: try root("systemd-boot-efi"),
            grub: try root("grub-pc-bin"), all: all)
    }

    private func rootArchive(_ tree: ModuleTree, busybox: Data, vsmpd: Data, _ subnetManager: SubnetManager?) throws(ImageError) -> Data {
        var list = try ModuleList(text: try firmwareText("modules.conf"), origin: "firmware/modules.conf")
        list.items += board.modules
        var modules: [(step: ModuleTree.Step, content: Data)] = []
        for step in try tree.loadOrder(for: list) { modules.append((step, try tree.content(step.path))) }
        var archive = Initramfs.Contents(
            initScript: Data(try firmwareText("init").utf8), busybox: busybox, vsmpd: vsmpd,
            board: board, brand: brand, purpose: purpose, version: version, rollbackCounter: rollbackCounter, kernelRelease: tree.release,
            modules: modules
        ).archive()
        licensing?.add(to: &archive)
        try subnetManager?.add(to: &archive, configuration: firmwareText(SubnetManager.configuration.rawValue))
        try addBlobs(to: &archive)
        return Initramfs.layers(of: archive)
    }

    /// What GRUB does. In a release image it can only choose a bank and start it: a menu, a prompt or other words for Linux would be a way past it.
    private func bootCommands() throws(ImageError) -> String {
        let text = try firmwareText(ShippedScripts.grub.rawValue)
        guard purpose != .release || ShippedScripts.grub.isShipped(Data(text.utf8)) else {
            throw ImageError(
                .badInput, "\(firmwareFolder.path)/grub.cfg is not the script that comes with this SDK, and the boot loader of a release image runs that "
                    + "one only: take the SDK's grub.cfg, or build a development image")
        }
        return text
    }

    /// A text of the firmware folder as it goes into an image: whatever an editor did to its line ends, the image is the same.
    func firmwareText(_ name: String) throws(ImageError) -> String {
        try InputText(file: firmwareFolder.appendingPathComponent(name)).text
    }
}
