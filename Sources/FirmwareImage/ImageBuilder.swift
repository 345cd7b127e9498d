public import Foundation
internal import BoardSupport

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

    public init(
        firmwareFolder: URL, board: BoardContents, brand: Brand, vsmpd: URL, lock: PackageLock, store: PackageStore
    ) {
        self.firmwareFolder = firmwareFolder
        self.board = board
        self.brand = brand
        self.vsmpd = vsmpd
        self.lock = lock
        self.store = store
    }

    /// Builds the image as a (sparse) file at `output`, which is replaced only when everything worked.
    ///
    /// - Returns: what the image says about itself.
    @discardableResult
    public func build(to output: URL, progress: (String) -> Void = { _ in }) throws(ImageError) -> ImageManifest {
        let scratch = try Scratch("image")
        let roots = try unpack(into: scratch.url, progress)
        let kernelPackage = try lock.package(named: "linux-image-", purpose: "a firmware image")
        let tree = try ModuleTree(root: roots.kernel, packageName: kernelPackage.name)

        progress("root file system")
        let commandLine = try firmwareText("cmdline").split(whereSeparator: \.isWhitespace).joined(separator: " ")
        let kernel = try read(roots.kernel.appendingPathComponent("boot/vmlinuz-\(tree.release)"))
        let stub = try read(roots.stub.appendingPathComponent("usr/lib/systemd/boot/efi/linuxx64.efi.stub"))
        let archive = try rootArchive(tree, busybox: try read(roots.busybox.appendingPathComponent("bin/busybox")))
        let boot = try BIOSBootCode(
            folder: roots.grub.appendingPathComponent("usr/lib/grub/i386-pc"),
            commands: try firmwareText("grub.cfg").replacingOccurrences(of: "@CMDLINE@", with: commandLine),
            start: UInt64(ImageLayout.biosBootStart / ImageLayout.sectorSize))
        let parts = [
            FirmwareHash.part("kernel", kernel), FirmwareHash.part("initramfs", archive),
            FirmwareHash.part("command-line", Data(commandLine.utf8)), FirmwareHash.part("efi-stub", stub),
            FirmwareHash.part("bios-boot-sector", boot.bootSector), FirmwareHash.part("bios-core", boot.core),
        ]
        let hash = FirmwareHash.of(parts)
        let initrd = try Initramfs.joined(archive: archive, hash: hash)

        progress("boot loaders")
        var files = [
            ImageManifest.unifiedKernelPath: try UnifiedKernelImage.build(
                stub: stub, kernel: kernel, initrd: initrd, commandLine: commandLine, brand: brand, hash: hash),
            ImageManifest.kernelPath: kernel,
            ImageManifest.initrdPath: initrd,
        ]
        let manifest = ImageManifest(
            firmwareHash: hash, brand: brand.name, board: board.name, kernelRelease: tree.release,
            commandLine: commandLine, parts: parts,
            files: files.sorted { $0.key < $1.key }.map { FirmwareHash.part($0.key, $0.value) },
            packages: lock.packages)
        files[ImageManifest.path] = Data(manifest.text.utf8)

        progress("disk image")
        let image = scratch.url.appendingPathComponent("image")
        try DiskImage.write(to: image, boot: boot, files: files, hash: hash)
        try replace(output, with: image)
        return manifest
    }

    private struct Roots {
        let kernel, busybox, stub, grub: URL
    }

    private func unpack(into scratch: URL, _ progress: (String) -> Void) throws(ImageError) -> Roots {
        var roots: [URL] = []
        for name in ["linux-image-", "busybox-static", "systemd-boot-efi", "grub-pc-bin"] {
            let package = try lock.package(named: name, purpose: "a firmware image")
            progress("unpacking \(package.name) \(package.version)")
            let root = scratch.appendingPathComponent(package.name)
            try store.extract(package, into: root)
            roots.append(root)
        }
        return Roots(kernel: roots[0], busybox: roots[1], stub: roots[2], grub: roots[3])
    }

    private func rootArchive(_ tree: ModuleTree, busybox: Data) throws(ImageError) -> Data {
        var list = try ModuleList(text: try firmwareText("modules.conf"), origin: "firmware/modules.conf")
        list.items += board.modules
        var modules: [(step: ModuleTree.Step, content: Data)] = []
        for step in try tree.loadOrder(for: list) { modules.append((step, try tree.content(step.path))) }
        let node = try read(vsmpd)
        try NodeExecutable.check(node, path: vsmpd.path)
        return Initramfs.Contents(
            initScript: try read(firmwareFolder.appendingPathComponent("init")), busybox: busybox, vsmpd: node,
            board: board, brand: brand, kernelRelease: tree.release, modules: modules
        ).archive().bytes()
    }

    private func firmwareText(_ name: String) throws(ImageError) -> String {
        String(decoding: try read(firmwareFolder.appendingPathComponent(name)), as: UTF8.self)
    }

    private func replace(_ output: URL, with image: URL) throws(ImageError) {
        let partial = output.deletingLastPathComponent().appendingPathComponent(
            ".\(output.lastPathComponent).\(UUID().uuidString)")
        // cp keeps the holes of a sparse file, also across file systems.
        try HostTool.run("cp", ["--sparse=always", image.path, partial.path])
        try move(partial, onto: output)
    }
}
