import Platform
import Contract
import BoardSupport
import Crypto
import Disk
import Foundation
import StickState
import Testing

@testable import FirmwareImage

/// Keys and certificates as openssl makes them, and a program to sign.
@Suite(.serialized, .enabled(if: HostProgram.locate("openssl") != nil, "openssl is not installed"))
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
            try HostProgram("openssl").data([
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

    @Test(.enabled(if: HostProgram.locate("sbverify") != nil, "sbsigntool is not installed"))
    func anotherToolAcceptsOurSignatureAndWeAcceptItsOwn() throws {
        let file = keys.scratch.url.appendingPathComponent("program.efi")
        let certificate = keys.scratch.url.appendingPathComponent("vendor.pem").path
        try write(try Authenticode.sign(program, by: keys.signer), to: file)
        try HostProgram("sbverify").data(["--cert", certificate, file.path])
        let theirs = keys.scratch.url.appendingPathComponent("theirs.efi")
        try write(program, to: file)
        try HostProgram("sbsign").data(["--key", keys.key.path, "--cert", certificate, "--output", theirs.path, file.path])
        #expect(try Authenticode.signers(of: try read(theirs)) == [keys.certificate])
        #expect(try nodes(read(theirs)) == nodes(Authenticode.sign(program, by: keys.signer)))
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
            #expect(nodes(changed)?.isEmpty != false, "byte \(offset) does not count on a node")
        }
        var changed = signed
        changed[checksum] ^= 1
        #expect(try Authenticode.signers(of: changed) == [keys.certificate], "the checksum is not signed (Authenticode)")
        #expect(nodes(changed)?.count == 1)
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
            if nodes(changed)?.isEmpty == false { #expect(changed.starts(with: signed.prefix(program.count)), "byte \(offset)") }
        }
    }

    /// The keys that a node finds.
    private func nodes(_ program: Data) -> Set<[UInt8]>? { ProgramSignatures([UInt8](program)[...])?.signers }

    @Test func aNodeFindsWhoSigned() throws {
        #expect(nodes(program) == [])
        let signed = try Authenticode.sign(program, by: keys.signer)
        let other = try Authenticode.sign(program, by: KeyFileSigner(key: keys.otherKey, certificate: keys.otherCertificate))
        let (first, second) = (try #require(nodes(signed)), try #require(nodes(other)))
        #expect(first.count == 1 && second.count == 1 && first != second)
        // A certificate that was renewed for the same key.
        let renewed = keys.scratch.url.appendingPathComponent("renewed.pem")
        try HostProgram("openssl").data(["req", "-x509", "-key", keys.key.path, "-out", renewed.path, "-subj", "/CN=renewed"])
        #expect(try nodes(Authenticode.sign(program, by: KeyFileSigner(key: keys.key, certificate: SigningCertificate(file: renewed)))) == first)
        // The certificate and the signature of one program in another one.
        var changed = signed
        changed[program.count / 2] ^= 1
        #expect(nodes(changed)?.isEmpty != false)
        #expect(nodes(Data("no program".utf8)) == nil && nodes(Data()) == nil)
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
        .enabled(if: HostProgram.locate("softhsm2-util") != nil && HostProgram.locate("pkcs11-tool") != nil, "softhsm2 or opensc is not installed"))
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
        let prepared = try HostProgram("sh", .user).result(["-c", setUp])
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
        try HostProgram("openssl").data(["rsa", "-aes128", "-passout", "pass:secret", "-in", keys.key.path, "-out", locked.path])
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
