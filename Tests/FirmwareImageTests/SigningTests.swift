import Platform
import Contract
import BoardSupport
import Crypto
import Disk
import Foundation
import Testing

@testable import FirmwareImage

/// Keys and certificates as openssl makes them, and a program to sign.
@Suite(.serialized, .enabled(if: HostTool.locate("openssl") != nil, "openssl is not installed"))
struct SigningTests {
    private static let shared = Result { try Keys() }
    private let keys: Keys
    private let program: Data

    init() throws {
        keys = try Self.shared.get()
        program = try Workshop.program()
    }

    /// Two vendors' keys.
    private struct Keys {
        let scratch: Scratch
        let key, otherKey: URL
        let certificate, otherCertificate: SigningCertificate

        init() throws {
            scratch = try Scratch("keys")
            (key, certificate) = try Self.make("vendor", in: scratch.url)
            (otherKey, otherCertificate) = try Self.make("other", in: scratch.url)
        }

        private static func make(_ name: String, in folder: URL) throws -> (URL, SigningCertificate) {
            let (key, certificate) = (folder.appendingPathComponent("\(name).key"), folder.appendingPathComponent("\(name).pem"))
            try HostTool.run(
                "openssl",
                [
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key.path, "-out", certificate.path, "-subj", "/O=Acme/CN=\(name)",
                    "-days", "3650",
                ])
            return (key, try SigningCertificate(file: certificate))
        }

        var signer: KeyFileSigner { get throws { try KeyFileSigner(key: key, certificate: certificate) } }
        /// What signs on standard input with a key, as a script would.
        var command: String { "openssl dgst -sha256 -sign '\(key.path)'" }
    }

    // MARK: Signatures

    @Test func whoSignedIsReadBack() throws {
        #expect(try Authenticode.signers(of: program).isEmpty)
        let signed = try Authenticode.sign(program, by: keys.signer)
        #expect(try Authenticode.signers(of: signed) == [keys.certificate])
        // A second signature takes the first one's place.
        let again = try Authenticode.sign(signed, by: KeyFileSigner(key: keys.otherKey, certificate: keys.otherCertificate))
        #expect(try Authenticode.signers(of: again) == [keys.otherCertificate])
        #expect(try Authenticode.message(of: signed) == Authenticode.message(of: program))
    }

    @Test(.enabled(if: HostTool.locate("sbverify") != nil, "sbsigntool is not installed"))
    func anotherToolAcceptsOurSignatureAndWeAcceptItsOwn() throws {
        let file = keys.scratch.url.appendingPathComponent("program.efi")
        let certificate = keys.scratch.url.appendingPathComponent("vendor.pem").path
        try write(try Authenticode.sign(program, by: keys.signer), to: file)
        try HostTool.run("sbverify", ["--cert", certificate, file.path])
        let theirs = keys.scratch.url.appendingPathComponent("theirs.efi")
        try write(program, to: file)
        try HostTool.run("sbsign", ["--key", keys.key.path, "--cert", certificate, "--output", theirs.path, file.path])
        #expect(try Authenticode.signers(of: try read(theirs)) == [keys.certificate])
    }

    /// Every byte that the signature covers, and its own: none can be another.
    @Test func anyChangedByteOfTheProgramIsRefused() throws {
        let signed = try Authenticode.sign(program, by: keys.signer)
        let checksum = 0x18 + 64 + Int(signed[0x3c]) + Int(signed[0x3d]) << 8
        for offset in signed.indices.prefix(program.count) where !(checksum..<(checksum + 4)).contains(offset) {
            var changed = signed
            changed[offset] ^= 0x10
            let signers = try? Authenticode.signers(of: changed)
            #expect(signers?.isEmpty != false, "byte \(offset) does not count")
        }
        var changed = signed
        changed[checksum] ^= 1
        #expect(try Authenticode.signers(of: changed) == [keys.certificate], "the checksum is not signed (Authenticode)")
    }

    /// The certificate that comes with a signature is not itself signed by anyone who is trusted: the caller compares it, all of it.
    @Test func damagedSignaturesAreRefusedOrAnotherSigners() throws {
        let signed = try Authenticode.sign(program, by: keys.signer)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<3000 {
            var changed = signed
            let offset = Int.random(in: program.count..<signed.count, using: &random)
            if Bool.random(using: &random) {
                changed[offset] ^= UInt8.random(in: 1...255, using: &random)
            } else {
                changed = changed.prefix(offset)
            }
            let signers = (try? Authenticode.signers(of: changed)) ?? []
            if signers == [keys.certificate] { #expect(changed.range(of: keys.certificate.bytes) != nil && changed.starts(with: signed.prefix(program.count))) }
            #expect(signers.count < 2)
        }
    }

    @Test func aSignatureOfAnotherKeyIsRefused() throws {
        let wrong = try KeyFileSigner(key: keys.otherKey, certificate: keys.certificate)
        let error = try #require(throws: ImageError.self) { try Authenticode.sign(program, by: wrong) }
        #expect(error.exitStatus == .badInput && error.description.contains("CN=vendor"))
    }

    // MARK: Signers

    @Test func keyFileCommandAndTokenGiveTheSameBytes() throws {
        let direct = try Authenticode.sign(program, by: keys.signer)
        #expect(try Authenticode.sign(program, by: CommandSigner(command: keys.command, certificate: keys.certificate)) == direct)
    }

    /// PKCS#11: the key lies in a token, and only the token signs.
    @Test(
        .enabled(if: HostTool.locate("softhsm2-util") != nil && HostTool.locate("pkcs11-tool") != nil, "softhsm2 or opensc is not installed"))
    func aTokenSigns() throws {
        let folder = keys.scratch.url.appendingPathComponent("token")
        try write(Data("directories.tokendir = \(folder.path)/tokens\nobjectstore.backend = file\n".utf8), to: folder.appendingPathComponent("conf"))
        try FileManager.default.createDirectory(at: folder.appendingPathComponent("tokens"), withIntermediateDirectories: true)
        let library = try #require(
            ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"].first { FileManager.default.fileExists(atPath: $0) })
        let environment = "SOFTHSM2_CONF='\(folder.path)/conf'"
        let setUp = """
            set -e; export \(environment)
            openssl pkcs8 -topk8 -nocrypt -in '\(keys.key.path)' -out '\(folder.path)/key.p8'
            softhsm2-util --init-token --free --label vendor --so-pin 12345678 --pin 1234
            softhsm2-util --import '\(folder.path)/key.p8' --token vendor --label sign --id 01 --pin 1234
            rm '\(folder.path)/key.p8'
            """
        let prepared = try HostTool.result("sh", ["-c", setUp], .user)
        try #require(prepared.isSuccess, "\(prepared.lastErrors)")
        let command = "\(environment) pkcs11-tool --module \(library) --token-label vendor --login --pin 1234 --sign --mechanism SHA256-RSA-PKCS "
            + "--id 01 --input-file /dev/stdin --output-file /dev/stdout 2>/dev/null"
        let signed = try Authenticode.sign(program, by: CommandSigner(command: command, certificate: keys.certificate))
        #expect(try signed == Authenticode.sign(program, by: keys.signer))
    }

    @Test func aCommandThatFailsIsQuoted() throws {
        let signer = CommandSigner(command: "cat >/dev/null; echo no token >&2; exit 3", certificate: keys.certificate)
        let error = try #require(throws: ImageError.self) { try signer.signature(of: Data([1])) }
        #expect(error.exitStatus == .inputOutput && error.description.contains("status 3: no token"))
        let silent = CommandSigner(command: "true", certificate: keys.certificate)
        #expect(throws: ImageError.self) { try Authenticode.sign(program, by: silent) }
    }

    @Test func filesThatAreNoKeysSayWhatIsExpected() throws {
        let folder = keys.scratch.url
        let locked = folder.appendingPathComponent("locked.key")
        try HostTool.run("openssl", ["rsa", "-aes128", "-passout", "pass:secret", "-in", keys.key.path, "-out", locked.path])
        let passphrase = try #require(throws: ImageError.self) { try KeyFileSigner(key: locked, certificate: keys.certificate) }
        #expect(passphrase.exitStatus == .badInput && passphrase.description.contains("--sign-command"))
        let noKey = try #require(throws: ImageError.self) {
            try KeyFileSigner(key: folder.appendingPathComponent("vendor.pem"), certificate: keys.certificate)
        }
        #expect(noKey.description.contains("vendor.pem is no RSA private key"))
        let noCertificate = try #require(throws: ImageError.self) { try SigningCertificate(file: keys.key) }
        #expect(noCertificate.exitStatus == .badInput && noCertificate.description.contains("BEGIN CERTIFICATE"))
        #expect(try #require(throws: ImageError.self) { try SigningCertificate(file: folder.appendingPathComponent("none")) }.exitStatus == .missingInput)
    }

    // MARK: Development keys

    @Test func aDevelopmentKeyIsMadeOnceAndIsTheUsersAlone() throws {
        let folder = keys.scratch.url.appendingPathComponent("state")
        var made: [URL] = []
        let first = try DevelopmentKey.signer(in: folder) { made.append($0) }
        let second = try DevelopmentKey.signer(in: folder) { made.append($0) }
        #expect(made == [DevelopmentKey.certificateFile(in: folder)] && first.certificate == second.certificate)
        #expect(first.certificate.isDevelopment && !keys.certificate.isDevelopment)
        let permissions = try FileManager.default.attributesOfItem(atPath: DevelopmentKey.keyFile(in: folder).path)[.posixPermissions]
        #expect(permissions as? Int == 0o600)
        #expect(try Authenticode.signers(of: Authenticode.sign(program, by: first)) == [first.certificate])
        // A key whose certificate never came to be is made anew.
        try FileManager.default.removeItem(at: DevelopmentKey.certificateFile(in: folder))
        #expect(try DevelopmentKey.signer(in: folder).certificate != first.certificate)
    }

    @Test func theStateFolderIsTheUsers() {
        #expect(DevelopmentKey.standardFolder(["VSMP_STATE": "/a", "XDG_STATE_HOME": "/b"]).path == "/a")
        #expect(DevelopmentKey.standardFolder(["XDG_STATE_HOME": "/b"]).path == "/b/vsmp")
        #expect(DevelopmentKey.standardFolder(["XDG_STATE_HOME": "relative", "HOME": "/c"]).path == "/c/.local/state/vsmp")
        #expect(DevelopmentKey.standardFolder([:]).path.hasSuffix("/.local/state/vsmp"))
    }
}

/// Signed images, made of tiny packages.
@Suite(
    .serialized,
    .enabled(
        if: FileManager.default.fileExists(atPath: "/usr/lib/grub/i386-pc/kernel.img") && HostTool.locate("openssl") != nil,
        "grub-pc-bin or openssl is not installed"))
struct SignedImageTests {
    private static let shared = Result { (try Workshop(), try Scratch("keys")) }
    private var workshop: Workshop
    private let folder: URL
    private let signer: KeyFileSigner

    init() throws {
        let (workshop, scratch) = try Self.shared.get()
        self.workshop = try workshop.copy()
        folder = scratch.url
        let (key, certificate) = (folder.appendingPathComponent("vendor.key"), folder.appendingPathComponent("vendor.pem"))
        if !FileManager.default.fileExists(atPath: certificate.path) {
            try HostTool.run(
                "openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key.path, "-out", certificate.path, "-subj", "/CN=vendor"])
        }
        signer = try KeyFileSigner(key: key, certificate: try SigningCertificate(file: certificate))
    }

    private func findings(_ image: URL, _ certificate: SigningCertificate? = nil) throws -> [ReleaseFinding] {
        try ImageReader(image).verifyRelease(certificate: certificate).findings
    }

    private mutating func release() throws {
        (workshop.builder.purpose, workshop.builder.signer, workshop.builder.licensing) = (.release, signer, try Workshop.vendorRoot())
    }

    @Test mutating func signingApartGivesTheBytesOfSigningAtOnce() throws {
        try release()
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
        try HostTool.run("mkfifo", [pipe.path])
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

    @Test mutating func aReleaseImageHasNothingToHide() throws {
        try release()
        #expect(try findings(try workshop.build(), signer.certificate) == [])
    }

    /// One that accepts nobody's licence starts no machine of several boards.
    @Test mutating func aReleaseImageNeedsAVendorsRootKey() throws {
        try release()
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
        try release()
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
        try release()
        try workshop.change("cmdline", line + "\n")
        let found = try findings(try workshop.build())
        #expect(found.map(\.rule) == [.shell] && found.first?.place == "command line", "\(found)")
    }

    @Test(arguments: ["setsid cttyhack sh", "exec /bin/sh </dev/tty1", "while :; do getty 115200 ttyS0; done", "busybox ash -i"])
    mutating func aShellOnAConsoleIsRefused(line: String) throws {
        try release()
        try workshop.change("init", "#!/bin/busybox sh\n# a shell is no login\n\(line)\n")
        let found = try findings(try workshop.build())
        #expect(found.map(\.rule) == [.otherScript, .shell] && found.last?.place == "/init" && found.last?.found == "line 3: \(line)", "\(found)")
    }

    @Test mutating func secretsAndMenusOnTheBootPartitionsAreRefused() throws {
        try release()
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
            try HostTool.run("mcopy", ["-i", place, source.path, "::/\(file.path)"])
            let found = try findings(image)
            #expect(found.map(\.rule) == [file.rule] && found.first?.place.lowercased() == "\(file.partition)/\(file.path)".lowercased(), "\(found)")
            try HostTool.run("mdel", ["-i", place, "::/\(file.path)"])
        }
        #expect(try findings(image) == [])
        // systemd-boot's own settings may not let a person wait, choose or edit.
        let settings = folder.appendingPathComponent("loader.conf")
        try write(Data("timeout 0\neditor yes\n".utf8), to: settings)
        let place = "\(image.path)@@\(try #require(table.partition(named: ImageLayout.systemName)).offset)"
        try HostTool.run("mcopy", ["-o", "-i", place, settings.path, "::/loader/loader.conf"])
        #expect(try findings(image).map(\.rule) == [.bootMenu])
        try HostTool.run("mdel", ["-i", place, "::/loader/loader.conf"])
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
        try release()
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
        try release()
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
        try release()
        try workshop.change("cmdline", "console=ttyS0 quiet tsc=reliable my_module.shell=1\n")
        let found = try findings(try workshop.build())
        #expect(found.map(\.rule) == [.unknownWord] && found.first?.found.hasPrefix("my_module.shell=1") == true, "\(found)")
    }

    @Test func wordsAreTakenApartAsLinuxDoes() {
        #expect(ReleaseRules.words(ofCommandLine: "a  \"b c\" d=\"e f\" \"rdinit=/bin/sh\"") == ["a", "b c", "d=e f", "rdinit=/bin/sh"])
    }

    @Test(.enabled(if: HostTool.locate("openssl") != nil && HostTool.locate("faketime") != nil, "openssl or faketime is not installed"), arguments: [
        ("2020-01-01 00:00:00", "expired on 2020-01-11"), ("2120-01-01 00:00:00", "is valid from 2120-01-01"),
    ])
    func aCertificateOutsideItsTimeSignsNothing(made: String, words: String) throws {
        let (key, certificate) = (folder.appendingPathComponent("k"), folder.appendingPathComponent("c.pem"))
        try HostTool.run(
            "faketime", [made, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-keyout", key.path, "-out", certificate.path, "-subj", "/CN=late"])
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

    @Test(.enabled(if: HostTool.locate("openssl") != nil, "openssl is not installed"))
    func aKeyThatOthersCanReadIsSaid() throws {
        let (key, certificate) = (folder.appendingPathComponent("open.key"), folder.appendingPathComponent("open.pem"))
        try HostTool.run("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key.path, "-out", certificate.path, "-subj", "/CN=open"])
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
        try release()
        #expect(try workshop.builder.firmwareHash() != hash, "the purpose is part of the firmware")
    }
}
