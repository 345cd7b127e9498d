import Platform
import Contract
import BoardSupport
import Disk
import Foundation
import Testing

@testable import FirmwareImage

/// A whole build from a store of tiny packages. GRUB's own files are the host's, because grub-mkimage checks them.
@Suite(
    .serialized,
    .enabled(
        if: FileManager.default.fileExists(atPath: "/usr/lib/grub/i386-pc/kernel.img"), "grub-pc-bin is not installed"),
    .enabled(
        if: ["dpkg-deb", "objcopy", "mkfs.fat", "mcopy", "sfdisk", "grub-mkimage", "zstd"].allSatisfy {
            HostProgram.locate($0) != nil
        }, "a tool that image build needs is not installed"))
struct ImageBuildTests {
    let workshop: Workshop
    let image: URL

    /// One workshop and one image for all tests; none of them changes either.
    static let shared = Result {
        let workshop = try Workshop()
        return (workshop, try workshop.build())
    }

    init() throws { (workshop, image) = try Self.shared.get() }

    @Test func sameInputGivesTheSameBytes() throws {
        // objcopy, mkfs.fat and mcopy all write the time of day, in steps of one or two seconds, if they are let.
        Thread.sleep(forTimeInterval: 2.1)
        #expect(try ContentDigest(ofFile: try workshop.build()) == ContentDigest(ofFile: image))
    }

    @Test func imageHoldsWhatTheBoardNeeds() throws {
        let reader = try ImageReader(image)
        try reader.verify()
        #expect(reader.partitionTable.partitions.map(\.name) == ["VSMP-BIOS", "VSMP-BOOT", "VSMP-STATE", "VSMP-CONFIG"])
        #expect(reader.partitionTable.partitions.last?.size == ImageLayout.usualConfigurationSize)
        let archive = try NewcArchive(reading: Initramfs.split(try reader.contents(of: "INITRD")).archive)
        #expect(archive.entries["etc/vsmp/board.dtb"] == .file(workshop.builder.board.deviceTree, permissions: 0o644))
        #expect(archive.entries["bin/vsmp"] == .symbolicLink("/sbin/vsmpd"))
        let expected = """
            - kernel/kvm.ko force_emulation_prefix=1
            - kernel/net.ko
            svm kernel/kvm-amd.ko npt=0

            """
        #expect(archive.entries["etc/vsmp/modules"] == .file(Data(expected.utf8), permissions: 0o644))
        #expect(archive.entries["lib/modules/9.9-test/kernel/unused.ko"] == nil)
    }

    @Test func configurationPartitionIsEmptyAndLabelled() throws {
        let partition = try #require(try ImageFile(image.path).partitionTable.partitions.last)
        let listing = try HostProgram("mdir").data(["-i", "\(image.path)@@\(partition.offset)", "::/"])
        let text = String(decoding: listing, as: UTF8.self)
        #expect(text.contains("VSMP-CONFIG") || text.contains("VSMP-CONFIG".replacingOccurrences(of: "-", with: " ")))
        #expect(text.contains("No files") || text.contains("0 files"))
    }

    @Test func firmwareHashChangesWithEveryInputAndNothingElse() throws {
        let hash = try ImageReader(image).manifest.firmwareHash
        #expect(try workshop.builder.firmwareHash() == hash)
        let board = workshop.builder.board
        let changes: [(String, (inout Workshop) throws -> Void)] = [
            ("vsmpd", { try $0.replaceNode("#!/bin/busybox sh\n# other\n") }),
            ("init", { try $0.change("init", "#!/bin/busybox sh\n:\n") }),
            ("command line", { try $0.change("cmdline", "quiet") }),
            ("the version", { $0.builder.version = 2 }),
            ("module parameters", { try $0.change("modules.conf", "svm kvm_amd npt=1\n") }),
            ("rollback counter", { $0.builder.rollbackCounter = try #require(RollbackCounter(1)) }),
            ("brand", { $0.builder.brand = Brand(name: "B", colour: "#000000", support: "b") }),
            (
                "board",
                {
                    $0.builder.board = BoardContents(name: board.name, deviceTree: Data([1]), modules: board.modules)
                }
            ),
        ]
        for (name, change) in changes {
            var other = try workshop.copy()
            try change(&other)
            #expect(try other.builder.firmwareHash() != hash, "\(name) must count")
        }
    }

    @Test func damageAnywhereInTheFirmwareIsFound() throws {
        let content = try Data(contentsOf: image)
        let system = try #require(try ImageFile(image.path).partitionTable.partition(named: "VSMP-BOOT")).offset
        let kernel = try #require(content.range(of: workshop.kernel, in: system..<content.count))
        let manifest = try #require(content.range(of: Data("firmware-hash ".utf8)))
        for offset in [0x10, 600, 1100, ImageLayout.biosBootStart + 700, kernel.lowerBound + 5, manifest.upperBound + 3] {
            var damaged = content
            damaged[offset] ^= 1
            let file = workshop.scratch.url.appendingPathComponent("damaged.img")
            try damaged.write(to: file)
            #expect(imageError { try ImageReader(file).verify() } != nil, "byte \(offset)")
        }
    }

    /// Every 256-bit hexadecimal number in the image, packed or not, is one of its own published digests.
    @Test func imageHoldsNoKey() throws {
        let reader = try ImageReader(image)
        let manifest = reader.manifest
        let rootFiles = try reader.rootArchive().entries.values.compactMap { if case .file(let content, _) = $0 { content } else { nil } }
        // What the bill of materials calls the digest of vsmp-firmware: the SDK's own inputs together.
        let own = manifest.inputs.filter { $0.name.hasPrefix("firmware/") || $0.name == "board.dtb" }.map { "\($0.name) \($0.digest)\n" }
        let ownFiles = ContentDigest(of: Data(own.joined().utf8))
        let digests = (manifest.parts + manifest.loaders + manifest.files + manifest.inputs).map(\.digest) + manifest.packages.map(\.digest)
            + rootFiles.map { ContentDigest(of: $0) } + [ownFiles]
        let known = Set(digests.map(\.description) + [manifest.firmwareHash.description])
        let archive = workshop.scratch.url.appendingPathComponent("archive")
        try Initramfs.split(try reader.contents(of: "INITRD")).archive.write(to: archive)
        let found = String(
            decoding: try HostProgram("grep").data(["-haowE", "[0-9a-fA-F]{64}", image.path, archive.path]),
            as: UTF8.self
        ).split(separator: "\n").map(String.init)
        #expect(found.count >= known.count)
        #expect(Set(found).subtracting(known).isEmpty)
    }

    @Test func dynamicNodeExecutableIsRefused() throws {
        var other = try workshop.copy()
        other.builder.vsmpd = URL(fileURLWithPath: "/bin/ls")
        let error = imageError { _ = try other.build() }
        #expect(error?.exitStatus == .badInput)
        #expect(error?.description.contains("dynamically linked") == true)
    }

    @Test func missingPackageNamesTheNextStep() throws {
        var other = try workshop.copy()
        other.builder.store = PackageStore(root: other.scratch.url.appendingPathComponent("empty"))
        let error = imageError { _ = try other.build() }
        #expect(error?.exitStatus == .missingInput)
        #expect(error?.description.contains("vsmp image lock") == true)
    }

    @Test(.enabled(if: HostProgram.locate("busybox") != nil, "busybox is not installed"))
    func initScriptHasNoSyntaxError() throws {
        try HostProgram("busybox").data(["sh", "-n", repository.appendingPathComponent("firmware/init").path])
    }
}
