import BoardSupport
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
            HostTool.locate($0) != nil
        }, "a tool that image build needs is not installed"))
struct ImageBuildTests {
    let workshop: Workshop

    init() throws { workshop = try Workshop() }

    @Test func sameInputGivesTheSameBytes() throws {
        let first = try workshop.build()
        let second = try workshop.build()
        #expect(try ContentDigest(ofFile: first) == ContentDigest(ofFile: second))
    }

    @Test func imageHoldsWhatTheBoardNeeds() throws {
        let reader = try ImageReader(try workshop.build())
        try reader.verify()
        #expect(reader.partitions.partitions.map(\.name) == ["VSMP-BIOS", "VSMP-BOOT", "VSMP-CONFIG"])
        #expect(reader.partitions.partitions.last?.size == UInt64(ImageLayout.configurationSize))
        let archive = try NewcArchive(reading: Initramfs.split(try reader.contents(of: "VSMP/INITRD")).archive)
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
        let image = try workshop.build()
        let partition = try #require(try PartitionTable(of: image).partitions.last)
        let listing = try HostTool.run("mdir", ["-i", "\(image.path)@@\(partition.start)", "::/"])
        let text = String(decoding: listing, as: UTF8.self)
        #expect(text.contains("VSMP-CONFIG") || text.contains("VSMP-CONFIG".replacingOccurrences(of: "-", with: " ")))
        #expect(text.contains("No files") || text.contains("0 files"))
    }

    @Test func firmwareHashChangesWithEveryInputAndNothingElse() throws {
        let hash = try workshop.manifest().firmwareHash
        #expect(try Workshop().manifest().firmwareHash == hash)
        let changes: [(String, (inout Workshop) throws -> Void)] = [
            ("vsmpd", { try write(Data("#!/bin/busybox sh\n# other\n".utf8), to: $0.builder.vsmpd) }),
            ("init", { try $0.change("init", "#!/bin/busybox sh\n:\n") }),
            ("command line", { try $0.change("cmdline", "quiet") }),
            ("GRUB's commands", { try $0.change("grub.cfg", "boot\n") }),
            ("brand", { $0.builder.brand = Brand(name: "B", colour: "#000000", support: "b") }),
            (
                "board",
                {
                    let board = $0.builder.board
                    $0.builder.board = BoardContents(name: board.name, deviceTree: Data([1]), modules: board.modules)
                }
            ),
        ]
        for (name, change) in changes {
            var other = try Workshop()
            try change(&other)
            #expect(try other.manifest().firmwareHash != hash, "\(name) must count")
        }
    }

    @Test func damageAnywhereInTheFirmwareIsFound() throws {
        let image = try workshop.build()
        let content = try Data(contentsOf: image)
        let system = try PartitionTable(of: image).partition(named: "VSMP-BOOT", origin: "image").start
        let kernel = try #require(content.range(of: workshop.kernel, in: Int(system)..<content.count))
        let manifest = try #require(content.range(of: Data("firmware-hash ".utf8)))
        for offset in [0x10, 600, 1100, ImageLayout.biosBootStart + 700, kernel.lowerBound + 5, manifest.upperBound + 3] {
            var damaged = content
            damaged[offset] ^= 1
            let file = workshop.scratch.url.appendingPathComponent("damaged.img")
            try damaged.write(to: file)
            #expect(imageError { try ImageReader(file).verify() } != nil, "byte \(offset)")
        }
    }

    /// Every 64-digit hexadecimal number in the image, packed or not, is one of its own published digests.
    @Test func imageHoldsNoKey() throws {
        let image = try workshop.build()
        let reader = try ImageReader(image)
        let manifest = reader.manifest
        let known = Set(
            [manifest.firmwareHash] + (manifest.parts + manifest.files).map(\.digest) + manifest.packages.map(\.digest)
        ).map(\.description)
        let archive = try Initramfs.split(try reader.contents(of: "VSMP/INITRD")).archive
        for data in [try Data(contentsOf: image), archive] {
            var run: [UInt8] = []
            for byte in data {
                if (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) || (0x41...0x46).contains(byte) {
                    run.append(byte)
                } else {
                    if run.count >= 64 { #expect(known.contains(String(decoding: run, as: UTF8.self))) }
                    run.removeAll(keepingCapacity: true)
                }
            }
        }
    }

    @Test func dynamicNodeExecutableIsRefused() throws {
        var other = workshop
        other.builder.vsmpd = URL(fileURLWithPath: "/bin/ls")
        let error = imageError { _ = try other.build() }
        #expect(error?.exitStatus == .badInput)
        #expect(error?.description.contains("dynamically linked") == true)
    }

    @Test func missingPackageNamesTheNextStep() throws {
        var other = workshop
        other.builder.store = PackageStore(root: other.scratch.url.appendingPathComponent("empty"))
        let error = imageError { _ = try other.build() }
        #expect(error?.exitStatus == .missingInput)
        #expect(error?.description.contains("vsmp image lock") == true)
    }

    @Test(.enabled(if: HostTool.locate("busybox") != nil, "busybox is not installed"))
    func initScriptHasNoSyntaxError() throws {
        try HostTool.run("busybox", ["sh", "-n", repository.appendingPathComponent("firmware/init").path])
    }
}
