import Platform
import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

@Suite struct PackageCopyrightTests {
    @Test(arguments: [
        ("Format: x\n\nFiles: *\nCopyright: a\nLicense: GPL-3+\n\nFiles: b\nLicense: Expat\n", "GPL-3.0-or-later"),
        ("Format: x\n\nFiles: a\nLicense: Expat\n\nFiles: *\nLicense: LGPL-2.1+\n", "LGPL-2.1-or-later"),
        ("You may give it on by version 2. See `/usr/share/common-licenses/GPL-2'.\n", "GPL-2.0-only"),
        ("Version 2, or any later\n version. See /usr/share/common-licenses/GPL-2.\n", "GPL-2.0-or-later"),
        ("See /usr/share/common-licenses/GPL-2 and /usr/share/common-licenses/GPL-3.\n", "LicenseRef-a-b"),
        ("Format: x\n\nFiles: *\nLicense: our own\n", "LicenseRef-a-b"), ("", "LicenseRef-a-b"),
    ])
    func licenceOfAPackageIsRead(text: String, licence: String) {
        #expect(PackageCopyright(text: text, name: "a+b").licence == licence)
    }

    @Test func licencesThatDebianKeepsElsewhereAreFound() {
        let text = "`/usr/share/common-licenses/GPL-2'. And /usr/share/common-licenses/LGPL-2.1.\n"
        #expect(PackageCopyright(text: text, name: "a").commonLicences == ["GPL-2", "LGPL-2.1"])
    }

    @Test func aPackageWithoutACopyrightFileIsRefused() throws {
        let bare = try folder(["usr/share/doc/a/changelog": Data()])
        let error = imageError { _ = try PackageCopyright(of: "a", in: ["a": bare.url]) }
        #expect(error?.exitStatus == .badInput && error?.description.contains("usr/share/doc/a/copyright") == true)
        try FileManager.default.createSymbolicLink(atPath: bare.url.path + "/usr/share/doc/b", withDestinationPath: "c")
        let elsewhere = imageError { _ = try PackageCopyright(of: "b", in: ["b": bare.url]) }
        #expect(elsewhere?.description.contains("want c") == true)
    }

    @Test func builtUsingNamesSources() {
        #expect(
            SourcePackage.list("linux (= 6.1.1-1), glibc (= 2.36-9+deb12u14)")
                == [.init(name: "linux", version: "6.1.1-1"), .init(name: "glibc", version: "2.36-9+deb12u14")])
    }

    @Test func everyRootFileNeedsAPackage() throws {
        #expect(try Component.name(ofRootFile: "lib/modules/6/a.ko", kernelPackage: "linux-image-6") == "linux-image-6")
        let error = imageError { _ = try Component.name(ofRootFile: "usr/lib/stranger", kernelPackage: "linux-image-6") }
        #expect(error?.exitStatus == .internalError)
    }
}

@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct BillOfMaterialsTests {
    let workshop: Workshop
    let image: URL
    let reader: ImageReader

    init() throws {
        (workshop, image) = try ImageBuildTests.shared.get()
        reader = try ImageReader(image)
    }

    private func document() throws -> [String: Any] {
        let data = try reader.contents(of: BillOfMaterials.path)
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func list(_ name: String) throws -> [[String: Any]] { try #require(try document()[name] as? [[String: Any]]) }

    /// What Python's own installation, or the one that tools/test makes in build/, offers.
    private static let validator: String? = {
        let own = repository.appendingPathComponent("build/python/bin/pyspdxtools").path
        return FileManager.default.isExecutableFile(atPath: own) ? own : HostProgram.locate("pyspdxtools")
    }()

    @Test(.enabled(if: validator != nil, "spdx-tools is not installed: tools/setup puts it into build/python"))
    func spdxToolsAcceptIt() throws {
        let scratch = try Scratch("spdx")
        let file = scratch.url.appendingPathComponent("image.spdx.json")
        try reader.contents(of: BillOfMaterials.path).write(to: file)
        let result = try HostProgram("env").result([try #require(Self.validator), "--infile", file.path, "--version", "SPDX-2.3"])
        #expect(result.isSuccess, "\(String(decoding: result.output + result.errors, as: UTF8.self))")
    }

    private static let elements: String? = {
        let own = repository.appendingPathComponent("build/python/bin/ntia-checker").path
        return FileManager.default.isExecutableFile(atPath: own) ? own : HostProgram.locate("ntia-checker")
    }()

    /// NTIA, "The Minimum Elements For a Software Bill of Materials", 2021: supplier, name, version, identifier, relationship, author, time.
    @Test(.enabled(if: elements != nil, "ntia-conformance-checker is not installed: tools/setup puts it into build/python"))
    func itHasTheMinimumElements() throws {
        let scratch = try Scratch("ntia")
        let file = scratch.url.appendingPathComponent("image.spdx.json")
        try reader.contents(of: BillOfMaterials.path).write(to: file)
        let result = try HostProgram("env").result([try #require(Self.elements), "--comply", "ntia", "--output", "json", file.path])
        let said = String(decoding: result.output + result.errors, as: UTF8.self)
        #expect(result.isSuccess && (said.contains("\"isConformant\": true") || said.contains("\"isNtiaConformant\": true")), "\(said)")
    }

    @Test func everyComponentHasASupplier() throws {
        let packages = try list("packages")
        func supplier(_ name: String) -> String? { packages.first { $0["name"] as? String == name }?["supplier"] as? String }
        #expect(packages.allSatisfy { ($0["supplier"] as? String)?.hasPrefix("Organization: ") == true })
        #expect(supplier("linux-image-9.9-test") == "Organization: Debian" && supplier("glibc") == "Organization: Debian")
        #expect(supplier("vsmpd") == "Organization: Test" && supplier("brand") == "Organization: Test")
    }

    @Test func itLiesBesideTheImageToo() throws {
        let beside = try Data(contentsOf: URL(fileURLWithPath: image.path + ".spdx.json"))
        #expect(try beside == reader.contents(of: BillOfMaterials.path))
        #expect(try document()["spdxVersion"] as? String == "SPDX-2.3")
        #expect((try document()["creationInfo"] as? [String: Any])?["created"] as? String == "2020-01-01T00:00:00Z")
    }

    @Test func everyPackageHasVersionSourceLicenceAndChecksum() throws {
        let packages = try list("packages")
        for locked in reader.manifest.packages {
            let package = try #require(packages.first { $0["name"] as? String == locked.name }, "\(locked.name)")
            #expect(package["versionInfo"] as? String == locked.version)
            #expect(package["sourceInfo"] as? String == "built from the source package \(locked.source) \(locked.sourceVersion)")
            let checksums = try #require(package["checksums"] as? [[String: String]])
            #expect(checksums == [["algorithm": "SHA256", "checksumValue": locked.digest.description]])
        }
        func licence(_ name: String) -> String? { packages.first { $0["name"] as? String == name }?["licenseDeclared"] as? String }
        #expect(licence("linux-image-9.9-test") == "GPL-2.0-only" && licence("grub-pc-bin") == "GPL-3.0-or-later")
        #expect(licence("vsmpd") == "Apache-2.0" && licence("busybox-static") == "LicenseRef-busybox-static")
        #expect(packages.contains { $0["name"] as? String == "glibc" && $0["versionInfo"] as? String == "2.0-1" })
    }

    @Test func everyRootFileHasAPackageAndALicence() throws {
        let files = try list("files")
        let relationships = try list("relationships")
        let ids = Set(try list("packages").compactMap { $0["SPDXID"] as? String })
        for (path, entry) in try reader.rootArchive().entries where path != ImageFact.firmwareHash.path {
            guard case .file(let content, _) = entry else { continue }
            let file = try #require(files.first { $0["fileName"] as? String == "./root/" + path }, "\(path)")
            let checksums = try #require(file["checksums"] as? [[String: String]])
            #expect(checksums.contains { $0["checksumValue"] == ContentDigest(of: content).description })
            #expect((file["licenseConcluded"] as? String).map { !$0.isEmpty && $0 != "NOASSERTION" } == true)
            let from = relationships.filter {
                $0["spdxElementId"] as? String == file["SPDXID"] as? String && $0["relationshipType"] as? String == "GENERATED_FROM"
            }
            #expect(from.count == 1 && ids.contains(from.first?["relatedSpdxElement"] as? String ?? ""), "\(path)")
        }
        for name in ["./boot/VMLINUZ", "./part/efi-stub", "./part/bios-core"] {
            #expect(files.contains { $0["fileName"] as? String == name })
        }
    }

    @Test func manifestListsInputsAndTools() throws {
        let manifest = reader.manifest
        let initScript = try read(workshop.builder.firmwareFolder.appendingPathComponent("init"))
        #expect(manifest.inputs.contains(ImageManifest.Part("firmware/init", initScript)))
        #expect(manifest.inputs.contains(ImageManifest.Part("board.dtb", workshop.builder.board.deviceTree)))
        #expect(Set(["brand", "vsmpd", "firmware/cmdline", "firmware/grub.cfg", "firmware/modules.conf"]).isSubset(of: manifest.inputs.map(\.name)))
        let expected = ["dpkg-deb", "grub-mkimage", "gzip", "mcopy", "mkfs.fat", "objcopy", "sfdisk", "strip", "zstd"]
        #expect(manifest.tools.map(\.name) == expected)
        #expect(manifest.tools.allSatisfy { $0.version.first?.isNumber == true })
        #expect(try ImageManifest(manifest.text.utf8) == manifest)
    }

    @Test func licencesAndTheOfferAreOnTheBootPartition() throws {
        let text = String(
            decoding: try HostProgram("gzip").data(["-dc"], input: try reader.contents(of: ImageBuilder.licencesPath)), as: UTF8.self)
        #expect(text.contains("==== linux-image-9.9-test 1.0-1: GPL-2.0-only\n"))
        #expect(text.contains("Do with it what you like.") && text.contains("==== The licence Apache-2.0\n\nThe Apache Licence."))
        #expect(!reader.bootFiles.contains(ImageBuilder.offerPath))
        var other = try workshop.copy()
        other.builder.brand.offer = Data("We give the source to whoever asks within three years.\n".utf8)
        let offered = try ImageReader(try other.build())
        #expect(try offered.contents(of: ImageBuilder.offerPath) == other.builder.brand.offer)
        #expect(offered.manifest.firmwareHash == reader.manifest.firmwareHash)
    }

    @Test func aLicenceWhoseTextIsMissingIsNamed() throws {
        let other = try workshop.copy()
        try FileManager.default.removeItem(at: other.builder.firmwareFolder.appendingPathComponent("licenses"))
        let error = imageError { _ = try other.build() }
        #expect(error?.exitStatus == .missingInput)
        #expect(error?.description.contains("licenses/Apache-2.0") == true)
    }

    @Test func aLargerImageThanTheLimitIsNotWritten() throws {
        var other = try workshop.copy()
        other.builder.sizeLimit = 100 << 20
        let output = other.scratch.url.appendingPathComponent("large.img")
        let error = imageError { try other.builder.build(to: output) }
        #expect(error?.exitStatus == .tooLarge)
        #expect(error?.description.contains("bytes  FIRMWARE.EFI") == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("bytes  /lib/modules/9.9-test/kernel/kvm.ko") == true)
        #expect(!FileManager.default.fileExists(atPath: output.path))
        other.builder.sizeLimit = 134 << 20
        try other.builder.build(to: output)
    }

    /// The board sets the limit; the command line may set another.
    @Test func aBoardLimitsItsImages() throws {
        let board = try BoardCatalogue(path: repository.appendingPathComponent("boards").path).load("qemu-q35")
        #expect(BoardContents(board).sizeLimit == 256 << 20)
        var other = try workshop.copy()
        other.builder.board.sizeLimit = 100 << 20
        #expect(imageError { _ = try other.build() }?.exitStatus == .tooLarge)
        other.builder.sizeLimit = 200 << 20
        _ = try other.build()
    }
}
