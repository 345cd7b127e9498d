import Platform
import Contract
import BoardSupport
import Crypto
import Disk
import Foundation
import Testing

@testable import FirmwareImage

/// What `image verify --release` refuses.
@Suite(
    .serialized,
    .enabled(if: signingObstacle == nil, "\(signingObstacle ?? "")"))
struct ReleaseCheckTests {
    private static let shared = Result { (try Workshop(), try Scratch("release-keys")) }
    private var workshop: Workshop
    private let folder: URL
    private let signer: KeyFileSigner

    init() throws {
        let (workshop, scratch) = try Self.shared.get()
        self.workshop = try workshop.copy()
        folder = scratch.url
        signer = try .vendor(in: folder)
    }

    private func findings(_ image: URL, _ certificate: SigningCertificate? = nil) throws -> [ReleaseFinding] {
        try ImageReader(image).verifyRelease(certificate: certificate).findings
    }

    @Test mutating func aReleaseImageHasNothingToHide() throws {
        try workshop.release(signedBy: signer)
        #expect(try findings(try workshop.build(), signer.certificate) == [])
    }

    /// One that accepts nobody's licence starts no machine of several boards.
    @Test mutating func aReleaseImageNeedsAVendorsRootKey() throws {
        try workshop.release(signedBy: signer)
        let image = folder.appendingPathComponent("rootless.img")
        for flaw in ["no root", String(decoding: try #require(workshop.builder.licensing).text.utf8.dropLast(40), as: UTF8.self)] {
            try FlawedImage.make(image, by: workshop.builder, rootFiles: [ImageFact.licenceRoot.path: Data(flaw.utf8)], signer: signer)
            let found = try findings(image, signer.certificate)
            #expect(found.map(\.rule) == [.noLicenceRoot] && found.first?.place == "/etc/vsmp/licence-root", "\(found)")
        }
        workshop.builder.licensing = nil
        #expect(try findings(try workshop.build(), signer.certificate).map(\.rule) == [.noLicenceRoot])
    }

    @Test mutating func developmentIsRefused() throws {
        let key = try DevelopmentKey.signer(in: folder.appendingPathComponent("state"))
        workshop.builder.signer = key
        #expect(try findings(try workshop.build()).map(\.rule) == [.development, .developmentKey, .developmentKey])
        workshop.builder.purpose = .release
        let error = try #require(throws: ImageError.self) { try workshop.builder.build(to: folder.appendingPathComponent("never.img")) }
        #expect(error.exitStatus == .badInput && !FileManager.default.fileExists(atPath: folder.appendingPathComponent("never.img").path))
        workshop.builder.signer = nil
        let unsigned = try ImageReader(try workshop.build())
        var signatures: [SignedProgram: Data] = [:]
        for (program, message) in try unsigned.messagesToSign() { signatures[program] = try key.signature(of: message) }
        #expect(throws: ImageError.self) { try unsigned.attach(signatures, of: key.certificate, to: URL(fileURLWithPath: unsigned.name)) }
    }

    @Test mutating func unsignedAndOthersSignaturesAreRefused() throws {
        try workshop.release(signedBy: signer)
        let other = try SigningCertificate(file: DevelopmentKey.certificateFile(in: {
            let state = folder.appendingPathComponent("state")
            _ = try DevelopmentKey.signer(in: state)
            return state
        }()))
        #expect(try findings(try workshop.build(), other).map(\.rule) == [.otherSigner, .otherSigner])
        workshop.builder.signer = nil
        #expect(try findings(try workshop.build(), signer.certificate).map(\.rule) == [.unsigned, .unsigned])
    }

    @Test(arguments: [
        "console=ttyS0 rdinit=/bin/sh", "quiet \"rdinit=/bin/sh\"", "console=ttyS0 init=/bin/sh", "quiet single", "quiet kgdboc=ttyS0", "systemd.debug_shell=1",
    ])
    mutating func aCommandLineThatOpensAShellIsRefused(line: String) throws {
        try workshop.release(signedBy: signer)
        try workshop.change("cmdline", line + "\n")
        let found = try findings(try workshop.build())
        #expect(found.map(\.rule) == [.shell] && found.first?.place == "command line", "\(found)")
    }

    @Test(arguments: ["setsid cttyhack sh", "exec /bin/sh </dev/tty1", "while :; do getty 115200 ttyS0; done", "busybox ash -i"])
    mutating func aShellOnAConsoleIsRefused(line: String) throws {
        try workshop.release(signedBy: signer)
        try workshop.change("init", "#!/bin/busybox sh\n# a shell is no login\n\(line)\n")
        let found = try findings(try workshop.build())
        #expect(found.map(\.rule) == [.otherScript, .shell] && found.last?.place == "/init" && found.last?.found == "line 3: \(line)", "\(found)")
    }

    @Test mutating func secretsAndMenusOnTheBootPartitionsAreRefused() throws {
        try workshop.release(signedBy: signer)
        let image = try workshop.build()
        let table = try ImageFile(image.path).partitionTable
        let files: [(partition: String, path: String, text: String, rule: ReleaseFinding.Rule)] = [
            ("VSMP-BOOT", "GRUB.CFG", "menuentry x {}\n", .bootMenu), ("VSMP-BOOT", "STARTUP.NSH", "fs0:\n", .bootMenu),
            ("VSMP-CONFIG", "cluster.key", "00\n", .secret), ("VSMP-CONFIG", "machine.conf", "kit=a\n", .secret),
            ("VSMP-BOOT", "NOTES.TXT", "-----BEGIN RSA PRIVATE KEY-----\n", .secret),
            // systemd-boot lists each of these, and starts some.
            ("VSMP-BOOT", "EFI/Linux/debug.efi", "MZ", .unexpectedFile),
            ("VSMP-BOOT", "shellx64.efi", "MZ", .unexpectedFile), ("VSMP-BOOT", "VSMP/A/MORE.EFI", "MZ", .unexpectedFile),
            ("VSMP-CONFIG", "NOTES.TXT", "text", .unexpectedFile),
        ]
        for file in files {
            let source = folder.appendingPathComponent("file")
            try write(Data(file.text.utf8), to: source)
            let place = "\(image.path)@@\(try #require(table.partition(named: file.partition)).offset)"
            try HostProgram("mcopy").data(["-i", place, source.path, "::/\(file.path)"])
            let found = try findings(image)
            #expect(found.map(\.rule) == [file.rule] && found.first?.place.lowercased() == "\(file.partition)/\(file.path)".lowercased(), "\(found)")
            try HostProgram("mdel").data(["-i", place, "::/\(file.path)"])
        }
        #expect(try findings(image) == [])
        // systemd-boot's own settings may not let a person wait, choose or edit.
        let settings = folder.appendingPathComponent("loader.conf")
        try write(Data("timeout 0\neditor yes\n".utf8), to: settings)
        let place = "\(image.path)@@\(try #require(table.partition(named: ImageLayout.systemName)).offset)"
        try HostProgram("mcopy").data(["-o", "-i", place, settings.path, "::/loader/loader.conf"])
        #expect(try findings(image).map(\.rule) == [.bootMenu])
        try HostProgram("mdel").data(["-i", place, "::/loader/loader.conf"])
        #expect(try findings(image).map(\.rule) == [.bootMenu])
    }

    @Test func passwordsAndKeysInTheRootFileSystemAreRefused() {
        func rules(_ path: String, _ text: String) -> [ReleaseFinding.Rule] { ReleaseRules.findings(inRootFile: path, Data(text.utf8)).map(\.0) }
        #expect(rules("etc/shadow", "root:$6$salt$hash:1:0:99999:7:::\n") == [.password])
        #expect(rules("etc/passwd", "root::0:0::/:/bin/sh\n") == [.password])
        #expect(rules("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:*:1:1::/:\n") == [])
        #expect(rules("etc/ssl/some.pem", "-----BEGIN EC PRIVATE KEY-----\n") == [.secret])
        #expect(rules("usr/sbin/dropbear", "elf") == [.shell])
        #expect(rules("etc/inittab", "ttyS0::respawn:/sbin/getty 115200 ttyS0\n") == [.shell])
        #expect(rules("bin/busybox", "elf\0with sh and login inside") == [])
        // What a script reads in need not say that it is one.
        #expect(rules("lib/functions", "begin() {\nexec sh </dev/tty1\n}\n") == [.shell])
        #expect(rules("etc/vsmp/brand", "name=sh\n") == [])
    }

    /// Each of these gives Linux other words, or GRUB another command, than the shipped script does.
    @Test(arguments: [
        ("boot\n", "normal\nboot\n"), ("linux /VSMP/$bank/VMLINUZ $cmdline", "linux /VSMP/$bank/VMLINUZ $cmdline rdinit=/bin/sh"),
        ("linux /VSMP/$bank/VMLINUZ $cmdline", "linux /VSMP/$bank/VMLINUZ single"), ("halt\n", "halt; configfile (hd0,gpt2)/x.cfg\n"),
        ("set superusers=nobody", "set superusers="), ("# All are bad", "# all are bad"),
    ])
    mutating func theBootLoaderRunsTheShippedScriptOnly(old: String, new: String) throws {
        try workshop.release(signedBy: signer)
        let shipped = String(decoding: try read(workshop.builder.firmwareFolder.appendingPathComponent("grub.cfg")), as: UTF8.self)
        let other = shipped.replacingOccurrences(of: old, with: new)
        try #require(other != shipped)
        // An image that somebody else built with it is whole, and refused.
        let image = folder.appendingPathComponent("other.img")
        try FlawedImage.make(image, by: workshop.builder, bootCode: try FlawedImage.bootCode(script: other), signer: workshop.builder.signer)
        try ImageReader(image).verify()
        let found = try findings(image)
        #expect(found.map(\.rule) == [.otherScript] && found.first?.place == "bios-core", "\(found)")
        // Ours is not built.
        try workshop.change("grub.cfg", other)
        let error = try #require(throws: ImageError.self) { try workshop.build() }
        #expect(error.exitStatus == .badInput && error.description.contains("grub.cfg is not the script that comes with this SDK"))
    }

    @Test mutating func whatTheCoreRunsItselfIsRead() throws {
        try workshop.release(signedBy: signer)
        let image = folder.appendingPathComponent("other.img")
        let script = String(decoding: try read(workshop.builder.firmwareFolder.appendingPathComponent("grub.cfg")), as: UTF8.self)
        let configuration = "set root=(hd0,gpt2)\nlinux /VSMP/a/VMLINUZ single\ninitrd /VSMP/a/INITRD\nboot\n"
        for (configuration, more, words) in [(configuration, [:], "other commands"), (nil, ["x.cfg": "normal\n"], "memory disk: x.cfg")] as [(String?, [String: String], String)] {
            try FlawedImage.make(
                image, by: workshop.builder, bootCode: try FlawedImage.bootCode(script: script, configuration: configuration, more: more), signer: workshop.builder.signer)
            let found = try findings(image)
            #expect(found.map(\.rule) == [.otherScript] && found.first?.found.contains(words) == true, "\(found)")
        }
    }

    @Test func theShippedScriptsAreTheRepositorys() throws {
        for script in ShippedScripts.allCases {
            let digest = try ContentDigest(ofFile: repository.appendingPathComponent("firmware/\(script.rawValue)"))
            #expect(script.digests.first == digest.description, "put the digest of the new firmware/\(script.rawValue) first in ShippedScripts: \(digest)")
        }
    }

    @Test mutating func aWordThatNobodyKnowsIsRefused() throws {
        try workshop.release(signedBy: signer)
        try workshop.change("cmdline", "console=ttyS0 quiet tsc=reliable my_module.shell=1\n")
        let found = try findings(try workshop.build())
        #expect(found.map(\.rule) == [.unknownWord] && found.first?.found.hasPrefix("my_module.shell=1") == true, "\(found)")
    }

    @Test func wordsAreTakenApartAsLinuxDoes() {
        #expect(ReleaseRules.words(ofCommandLine: "a  \"b c\" d=\"e f\" \"rdinit=/bin/sh\"") == ["a", "b c", "d=e f", "rdinit=/bin/sh"])
    }

    @Test mutating func verifyPrintsJSON() throws {
        struct Verdict: Decodable {
            struct Finding: Decodable { let rule, place, found: String }
            let bank, firmwareHash, purpose: String
            let findings: [Finding]
            let problems: [String]
        }
        let image = try workshop.build()
        for (arguments, status, rules) in [([], 0, []), (["--release"], 65, ["development-image", "unsigned", "unsigned"])] as [([String], Int32, [String])] {
            let result = try VSMP.run(["image", "verify", "--json", image.path] + arguments)
            let verdicts = try JSONDecoder().decode([Verdict].self, from: Data(result.output.utf8))
            #expect(result.status == status && verdicts.map(\.bank) == ["a"] && verdicts[0].purpose == "development", "\(result)")
            #expect(verdicts[0].findings.map(\.rule) == rules && verdicts[0].problems.isEmpty == rules.isEmpty)
            #expect(try verdicts[0].firmwareHash == ImageReader(image).manifest.firmwareHash.description)
        }
    }
}
