import Contract
import ArgumentParser
import BoardSupport
import FirmwareImage
import Foundation
internal import Platform

/// Signing where the key is, away from the machine that builds.
extension ImageCommand {
    struct Digests: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Write what has to be signed, for a key that is not here.",
                discussion: "Each NAME.message in the folder is to be signed with RSA PKCS#1 v1.5 and SHA-256, for example openssl dgst -sha256 "
                    + "-sign KEY -out NAME.signature NAME.message. Give the signatures to vsmp image attach.")
        }

        @Argument(help: "The image.", completion: .file())
        var image: String
        @Option(name: .shortAndLong, help: ArgumentHelp("The folder to write to.", valueName: "folder"))
        var output: String

        func run() throws {
            try reportingErrors {
                let messages = try ImageReader(try openedImage(image)).messagesToSign()
                do { try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true) } catch {
                    throw ImageError(.cannotCreate, "cannot create the folder \(output): \(error.localizedDescription)")
                }
                for (program, message) in messages.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                    let path = "\(output)/\(program.rawValue).message"
                    try writeFile(message, to: path)
                    StandardOutput.print("\(path): \(message.count) bytes to sign, SHA-256 \(ContentDigest(of: message))")
                }
            }
        }
    }

    struct Attach: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Put signatures that were made elsewhere into an image.")
        }

        @Argument(help: "The image.", completion: .file())
        var image: String
        @Option(help: ArgumentHelp("The folder with loader.signature and firmware.signature, bytes as the key gave them.", valueName: "folder"))
        var signatures: String
        @Option(help: ArgumentHelp("The certificate of the key: X.509, PEM.", valueName: "file"))
        var certificate: String
        @Option(name: .shortAndLong, help: ArgumentHelp("The signed image to write; may be the same file.", valueName: "file"))
        var output: String

        func run() throws {
            try reportingErrors {
                var found: [SignedProgram: Data] = [:]
                for program in SignedProgram.allCases {
                    let path = "\(signatures)/\(program.rawValue).signature"
                    do throws(FileReadError) {
                        found[program] = Data(try WholeFile.read(path))
                    } catch {
                        throw ImageError(.missingInput, "\(error): make it with the key, over what vsmp image digests wrote")
                    }
                }
                let certificate = try SigningCertificate(file: URL(fileURLWithPath: certificate))
                try certificate.checkValidity(at: Date())
                try ImageReader(try openedImage(image)).attach(found, of: certificate, to: URL(fileURLWithPath: output))
                StandardOutput.print("\(output): signed by \(certificate)")
            }
        }
    }
}

/// Who signs an image, and whom it is for.
struct SigningOptions: ParsableArguments {
    @Flag(help: "For customers. Without it the image is a development image, and says so wherever a person looks.")
    var release = false
    @Option(help: ArgumentHelp("The signer's certificate: X.509, PEM. Without it a development key of your own signs.", valueName: "file"))
    var certificate: String?
    @Option(help: ArgumentHelp("The private key of the certificate: PEM, no passphrase.", valueName: "file"))
    var signingKey: String?
    @Option(
        help: ArgumentHelp(
            "A shell command that signs instead: the message on its standard input, the signature (RSA PKCS#1 v1.5, SHA-256) on its output.",
            valueName: "command"))
    var signCommand: String?
    @Flag(help: "Do not sign: vsmp image digests and attach do that elsewhere.")
    var unsigned = false

    mutating func validate() throws {
        let keys = [signingKey, signCommand].compactMap { $0 }.count
        guard keys < 2 else { throw ValidationError("give either --signing-key or --sign-command") }
        guard (certificate != nil) == (keys == 1) else {
            throw ValidationError("--certificate goes with --signing-key FILE or --sign-command COMMAND")
        }
        guard !unsigned || certificate == nil else { throw ValidationError("--unsigned goes with no key and no certificate") }
        guard !release || unsigned || certificate != nil else {
            throw ValidationError("a --release image needs --certificate and a key, or --unsigned")
        }
    }

    var purpose: ImagePurpose { release ? .release : .development }

    func signer() throws(ImageError) -> (any Signer)? {
        if unsigned { return nil }
        guard let certificate else {
            return try DevelopmentKey.signer(in: DevelopmentKey.standardFolder()) {
                printError("vsmp: made a development key for images of yours; its certificate is \($0.path)")
            }
        }
        let identity = try SigningCertificate(file: URL(fileURLWithPath: certificate))
        try identity.checkValidity(at: Date())
        if let signingKey { warnWhenOthersCanRead(signingKey) }
        if let signCommand { return CommandSigner(command: signCommand, certificate: identity) }
        return try KeyFileSigner(key: URL(fileURLWithPath: signingKey ?? ""), certificate: identity)
    }
}
