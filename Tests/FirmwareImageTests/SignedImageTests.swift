import Platform
import Contract
import BoardSupport
import Crypto
import Disk
import Foundation
import Testing

@testable import FirmwareImage

/// Images that are signed at once or apart.
@Suite(
    .serialized,
    .enabled(if: signingObstacle == nil, "\(signingObstacle ?? "")"))
struct SignedImageTests {
    private static let shared = Result { (try Workshop(), try Scratch("keys")) }
    private var workshop: Workshop
    private let folder: URL
    private let signer: KeyFileSigner

    init() throws {
        let (workshop, scratch) = try Self.shared.get()
        self.workshop = try workshop.copy()
        folder = scratch.url
        signer = try .vendor(in: folder)
    }

    @Test mutating func signingApartGivesTheBytesOfSigningAtOnce() throws {
        try workshop.release(signedBy: signer)
        let atOnce = try workshop.build()
        workshop.builder.signer = nil
        let unsigned = try workshop.build()
        let reader = try ImageReader(unsigned)
        #expect(try reader.verify().isEmpty)
        var signatures: [SignedProgram: Data] = [:]
        for (program, message) in try reader.messagesToSign() { signatures[program] = try signer.signature(of: message) }
        let signed = folder.appendingPathComponent("signed.img")
        try reader.attach(signatures, of: signer.certificate, to: signed)
        #expect(try ContentDigest(ofFile: signed) == ContentDigest(ofFile: atOnce))
        #expect(try read(signed.appendingPathExtension("spdx.json")) == read(atOnce.appendingPathExtension("spdx.json")))
        #expect(try ImageReader(signed).verify() == [signer.certificate])
        #expect(try ImageReader(signed).manifest.firmwareHash == reader.manifest.firmwareHash, "the hash is that of what is executed")
        // In place, and again.
        try ImageReader(unsigned).attach(signatures, of: signer.certificate, to: unsigned)
        #expect(try ContentDigest(ofFile: unsigned) == ContentDigest(ofFile: atOnce))
        for program in SignedProgram.allCases {
            var wrong = signatures
            wrong[program]?[0] ^= 1
            #expect(throws: ImageError.self) { try reader.attach(wrong, of: signer.certificate, to: signed) }
            wrong[program] = nil
            #expect(throws: ImageError.self) { try reader.attach(wrong, of: signer.certificate, to: signed) }
        }
        #expect(try ContentDigest(ofFile: signed) == ContentDigest(ofFile: atOnce), "nothing is half written")
    }

    /// Renaming over a device would leave a file in its place, and the stick as it was.
    @Test mutating func noImageTakesADevicesPlace() throws {
        let reader = try ImageReader(try workshop.build())
        var signatures: [SignedProgram: Data] = [:]
        for (program, message) in try reader.messagesToSign() { signatures[program] = try signer.signature(of: message) }
        let scratch = try Scratch("device")
        let (device, pipe) = (scratch.url.appendingPathComponent("device"), scratch.url.appendingPathComponent("pipe"))
        try FileManager.default.createSymbolicLink(atPath: device.path, withDestinationPath: "/dev/null")
        try HostProgram("mkfifo").data([pipe.path])
        for output in [device, pipe] {
            let advice = output == device ? "vsmp usb write" : "name another one"
            let built = imageError { try workshop.builder.build(to: output) { Issue.record("started with \($0)") } }
            #expect(built?.exitStatus == .cannotCreate && built?.description.contains(advice) == true, "\(built?.description ?? "")")
            let signed = imageError { try reader.attach(signatures, of: signer.certificate, to: output) }
            #expect(signed?.exitStatus == .cannotCreate && signed?.description.contains(advice) == true, "\(signed?.description ?? "")")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).sorted() == ["device", "pipe"])
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: device.path) == "/dev/null")
    }

    @Test mutating func anImageWhoseBillOfMaterialsCannotBeWrittenIsNotReplaced() throws {
        let scratch = try Scratch("beside")
        let output = scratch.url.appendingPathComponent("a.img")
        try write(Data("old".utf8), to: output)
        try write(Data(), to: scratch.url.appendingPathComponent("a.img.spdx.json/file"))
        #expect(imageError { try workshop.builder.build(to: output) }?.exitStatus == .cannotCreate)
        #expect(try read(output) == Data("old".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).sorted() == ["a.img", "a.img.spdx.json"])
    }

    @Test(.enabled(if: HostProgram.locate("openssl") != nil && HostProgram.locate("faketime") != nil, "openssl or faketime is not installed"), arguments: [
        ("2020-01-01 00:00:00", "expired on 2020-01-11"), ("2120-01-01 00:00:00", "is valid from 2120-01-01"),
    ])
    func aCertificateOutsideItsTimeSignsNothing(made: String, words: String) throws {
        let (key, certificate) = (folder.appendingPathComponent("k"), folder.appendingPathComponent("c.pem"))
        try HostProgram("faketime").data([made, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-keyout", key.path, "-out", certificate.path, "-subj", "/CN=late"])
        try FileManager.default.setAttributes([.posixPermissions: Int(0o600)], ofItemAtPath: key.path)
        let signatures = folder.appendingPathComponent("signatures")
        for name in ["loader", "firmware"] { try write(Data(count: 256), to: signatures.appendingPathComponent("\(name).signature")) }
        let image = try workshop.build()
        for arguments in [
            ["image", "attach", image.path, "--signatures", signatures.path, "--certificate", certificate.path, "-o", image.path + ".signed"],
            [
                "image", "build", "--board", repository.appendingPathComponent("boards/qemu-q35").path, "--vsmpd", workshop.builder.vsmpd.path, "--release", "--certificate",
                certificate.path, "--signing-key", key.path, "--brand", repository.appendingPathComponent("firmware/brands/default").path, "--firmware",
                repository.appendingPathComponent("firmware").path, "--lock", repository.appendingPathComponent("firmware/packages.lock").path, "-o", image.path + ".built",
            ],
        ] {
            let result = try VSMP.run(arguments)
            #expect(result.status == 65 && result.errors.contains(words), "\(result)")
        }
        #expect(!FileManager.default.fileExists(atPath: image.path + ".signed") && !FileManager.default.fileExists(atPath: image.path + ".built"))
    }

    @Test(.enabled(if: HostProgram.locate("openssl") != nil, "openssl is not installed"))
    func aKeyThatOthersCanReadIsSaid() throws {
        let (key, certificate) = (folder.appendingPathComponent("open.key"), folder.appendingPathComponent("open.pem"))
        try HostProgram("openssl").data(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key.path, "-out", certificate.path, "-subj", "/CN=open"])
        for (mode, isSaid) in [(0o644, true), (0o600, false)] as [(mode_t, Bool)] {
            try FileManager.default.setAttributes([.posixPermissions: Int(mode)], ofItemAtPath: key.path)
            // The lock is missing, which ends the command after it has read the key or before: the key is named all the same when it was read.
            let result = try VSMP.run([
                "image", "build", "--board", repository.appendingPathComponent("boards/qemu-q35").path, "--vsmpd", workshop.builder.vsmpd.path, "--certificate", certificate.path,
                "--signing-key", key.path, "--brand", repository.appendingPathComponent("firmware/brands/default").path, "--firmware",
                repository.appendingPathComponent("firmware").path, "--lock", repository.appendingPathComponent("firmware/packages.lock").path,
                "-o", folder.appendingPathComponent("x.img").path,
            ], environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "VSMP_STORE": folder.appendingPathComponent("no-store").path])
            #expect(result.status != 0 && result.errors.contains("warning: other users of this computer can reach the secret key \(key.path)") == isSaid, "\(result)")
        }
    }

    @Test mutating func logoAndToolsNameGoIntoTheImage() throws {
        workshop.builder.brand.toolsPrefix = "acme"
        let plain = try workshop.builder.firmwareHash()
        workshop.builder.brand.logo = Data("a picture".utf8)
        let image = try workshop.build()
        let reader = try ImageReader(image)
        try reader.verify()
        #expect(reader.manifest.firmwareHash != plain)
        let entries = try reader.rootArchive().entries
        #expect(entries["bin/acme"] == .symbolicLink("/sbin/vsmpd") && entries["bin/vsmp"] == nil)
        #expect(try UnifiedKernelImage.sections(of: try reader.contents(of: BootFiles.program))[".splash"] == Data("a picture".utf8))
    }

    @Test mutating func theImageSaysWhomItIsFor() throws {
        let image = try workshop.build()
        let reader = try ImageReader(image)
        #expect(reader.manifest.purpose == .development)
        let entries = try NewcArchive(reading: Initramfs.split(try reader.contents(of: "INITRD")).archive).entries
        #expect(entries[ImageFact.purpose.path] == .file(Data("development\n".utf8), permissions: 0o644))
        let sections = try UnifiedKernelImage.sections(of: try reader.contents(of: BootFiles.program))
        #expect(String(decoding: sections[".osrel"] ?? Data(), as: UTF8.self).contains(", DEVELOPMENT IMAGE\""))
        let hash = reader.manifest.firmwareHash
        try workshop.release(signedBy: signer)
        #expect(try workshop.builder.firmwareHash() != hash, "the purpose is part of the firmware")
    }
}
