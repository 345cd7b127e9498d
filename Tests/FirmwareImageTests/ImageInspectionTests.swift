import Platform
import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

/// What can be asked of an image without the source tree that it was built from.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct ImageInspectionTests {
    let workshop: Workshop
    let image: URL
    let scratch: Scratch

    init() throws {
        (workshop, image) = try ImageBuildTests.shared.get()
        scratch = try Scratch("inspection")
    }

    private func place(_ name: String) -> URL { scratch.url.appendingPathComponent(name) }

    private func text(_ file: String) throws -> String {
        String(decoding: try Data(contentsOf: place(file)), as: UTF8.self)
    }

    @Test func everythingIsExtractedAsTheImageHoldsIt() throws {
        let result = try ImageReader(image).extract(to: place("all"))
        #expect(result.leftOut == ["/dev/console"])
        #expect(try Data(contentsOf: place("all/boot/VMLINUZ")) == workshop.kernel)
        #expect(try text("all/boot/MANIFEST.TXT").hasPrefix("firmware-hash "))
        #expect(try text("all/root/init") == String(decoding: try read(repository.appendingPathComponent("firmware/init")), as: UTF8.self))
        #expect(FileManager.default.isExecutableFile(atPath: place("all/root/init").path))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: place("all/root/bin/vsmp").path) == "/sbin/vsmpd")
        #expect(try text("all/root/etc/vsmp/firmware-hash") == "\(try ImageReader(image).manifest.firmwareHash)\n")
    }

    @Test func whatIsNamedIsExtractedAndNothingElse() throws {
        let result = try ImageReader(image).extract(["/etc/vsmp", "VMLINUZ"], to: place("some"))
        #expect(result.written.contains("/etc/vsmp/board.dtb"))
        #expect(result.written.allSatisfy { $0.hasPrefix("/etc/vsmp/") || $0 == "VMLINUZ" })
        #expect(try FileManager.default.contentsOfDirectory(atPath: place("some/root").path) == ["etc"])
        let error = imageError { _ = try ImageReader(image).extract(["/init", "/absent"], to: place("none")) }
        #expect(error?.exitStatus == .missingInput)
        #expect(error?.description.contains("/absent") == true)
        #expect(!FileManager.default.fileExists(atPath: place("none").path))
    }

    @Test func nothingIsOverwritten() throws {
        try write(Data("mine".utf8), to: place("full/file"))
        let error = imageError { _ = try ImageReader(image).extract(to: place("full")) }
        #expect(error?.exitStatus == .cannotCreate)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place("full").path) == ["file"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["full"])
    }

    @Test(arguments: ["../outside", "/etc/outside", "a/../../outside", "./outside", "a//outside", "", "a/.."])
    func hostileNamesWriteNothingOutside(name: String) throws {
        var archive = NewcArchive()
        archive.add(name, .file(Data("hostile".utf8), permissions: 0o644))
        let error = imageError { _ = try ImageReader.writeEntries(archive.entries, to: place("deep/folder")) }
        #expect(error?.exitStatus == .badInput)
        #expect(!FileManager.default.fileExists(atPath: place("deep/outside").path))
        #expect(!FileManager.default.fileExists(atPath: place("outside").path))
    }

    @Test func nothingIsWrittenThroughALinkOfTheImage() throws {
        try write(Data("untouched".utf8), to: place("victim/file"))
        var archive = NewcArchive()
        archive.add("link", .symbolicLink(place("victim").path))
        archive.add("link/file", .file(Data("hostile".utf8), permissions: 0o644))
        #expect(imageError { _ = try ImageReader.writeEntries(archive.entries, to: place("folder")) }?.exitStatus == .badInput)
        #expect(try text("victim/file") == "untouched")
    }

    @Test func theSameFirmwareDiffersInNothing() throws {
        #expect(try ImageReader(image).differences(from: ImageReader(image)).isEmpty)
        let result = try VSMP.run(["image", "diff", image.path, image.path])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasPrefix("the same firmware: "))
    }

    @Test func diffNamesWhatDiffers() throws {
        var other = try workshop.copy()
        try other.replaceNode("#!/bin/busybox sh\n# other\n")
        other.builder.brand = Brand(name: "Other", colour: "#123456", support: "nobody")
        try other.change("cmdline", "quiet\n")
        let differences = try ImageReader(image).differences(from: ImageReader(try other.build()))
        func names(_ kind: ImageDifference.Kind) -> [String?] { differences.filter { $0.kind == kind }.map(\.name) }
        #expect(names(.rootFile) == ["/etc/vsmp/brand", "/sbin/vsmpd"])
        #expect(names(.part) == ["command-line", "initramfs"])
        #expect(names(.brand) == [nil] && names(.commandLine) == [nil] && names(.firmwareHash) == [nil])
        #expect(names(.board).isEmpty && names(.package).isEmpty && names(.kernel).isEmpty)
        let node = try #require(differences.first { $0.name == "/sbin/vsmpd" })
        #expect(node.first?.bytes == 18 && node.second?.bytes == 26 && node.first?.sha256 != node.second?.sha256)
    }

    @Test func diffEndsWithOneAndPrintsJSON() throws {
        var other = try workshop.copy()
        try other.replaceNode("#!/bin/busybox sh\n# other\n")
        let second = try other.build()
        let result = try VSMP.run(["image", "diff", "--json", image.path, second.path])
        #expect(result.status == 1, "\(result.errors)")
        let list = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
        #expect(list.contains { $0["kind"] as? String == "root-file" && $0["name"] as? String == "/sbin/vsmpd" })
        let words = try VSMP.run(["image", "diff", image.path, second.path])
        #expect(words.status == 1 && words.output.contains("root-file /sbin/vsmpd\n    file 755, 18 bytes, "))
    }

    /// In a folder that holds nothing of the source tree, and without the network's configuration.
    @Test func commandsNeedNoSourceTree() throws {
        try FileManager.default.createDirectory(at: place("empty"), withIntermediateDirectories: true)
        let through = ["--chdir", place("empty").path]
        let list = try VSMP.run(["image", "ls", "--files", image.path], through: through)
        #expect(list.status == 0 && list.output.contains("root file      /sbin/vsmpd, 18 bytes"), "\(list.errors)")
        #expect(list.output.contains("boot file      INITRD, "))
        let json = try VSMP.run(["image", "ls", "--json", image.path], through: through)
        #expect(json.output.contains("\"name\" : \"VMLINUZ\""))
        #expect(try VSMP.run(["image", "verify", image.path], through: through).status == 0)
        let out = try VSMP.run(["image", "extract", image.path, "/init", "--output", "out"], through: through)
        #expect(out.status == 0, "\(out.errors)")
        #expect(try text("empty/out/root/init") == String(decoding: try read(repository.appendingPathComponent("firmware/init")), as: UTF8.self))
        #expect(try VSMP.run(["image", "extract", image.path, "--output", "out"], through: through).status == 73)
        #expect(try VSMP.run(["image", "verify", "absent"], through: through).status == 66)
    }

    @Test(
        .enabled(
            if: getuid() == 0 && HostProgram.locate("losetup") != nil && FileManager.default.fileExists(atPath: "/dev/loop-control"),
            "loop devices need root, losetup and a kernel that has them"))
    func aStickIsReadAsAnImageIs() throws {
        let stick = place("stick")
        try FileManager.default.copyItem(at: image, to: stick)
        let handle = try FileHandle(forWritingTo: stick)
        try handle.truncate(atOffset: 256 << 20)
        try handle.close()
        let device = String(decoding: try HostProgram("losetup").data(["--find", "--show", stick.path]), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        defer { _ = try? HostProgram("losetup").data(["--detach", device]) }
        for arguments in [["ls", device], ["verify", device], ["extract", device, "--output", place("out").path], ["diff", device, image.path]] {
            let result = try VSMP.run(["image"] + arguments)
            #expect(result.status == 0, "\(arguments): \(result.errors)")
        }
        #expect(try Data(contentsOf: place("out/boot/VMLINUZ")) == workshop.kernel)
    }
}
