import Platform
import Contract
public import Foundation
internal import BoardSupport
internal import CryptoExtras

/// Signs for a certificate, with a key that this SDK may never see.
public protocol Signer: Sendable {
    var certificate: SigningCertificate { get }

    /// The signature of `message`: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2), as long as the key's modulus.
    func signature(of message: Data) throws(ImageError) -> Data
}

/// A private key in a file: PEM, PKCS#1 or PKCS#8, without a passphrase.
public struct KeyFileSigner: Signer {
    public let certificate: SigningCertificate
    private let key: _RSA.Signing.PrivateKey

    public init(key file: URL, certificate: SigningCertificate) throws(ImageError) {
        let text = try armourText(file)
        guard !text.contains("ENCRYPTED") else {
            throw ImageError(
                .badInput, "\(file.path) has a passphrase, which nobody is there to type: sign with a command that asks for it "
                    + "(--sign-command), or use a key without one")
        }
        do {
            key = try _RSA.Signing.PrivateKey(pemRepresentation: text)
        } catch {
            throw ImageError(.badInput, "\(file.path) is no RSA private key in PEM (PKCS#1 or PKCS#8) of at least 2048 bits")
        }
        self.certificate = certificate
    }

    public func signature(of message: Data) throws(ImageError) -> Data {
        do {
            return try key.signature(for: message, padding: .insecurePKCS1v1_5).rawRepresentation
        } catch {
            throw ImageError(.internalError, "cannot sign with the key of \(certificate.subject): \(error)")
        }
    }
}

/// A shell command that reads the message on standard input and writes the signature to standard output: whatever reaches a
/// token (PKCS#11), a vault or a person.
public struct CommandSigner: Signer {
    public let certificate: SigningCertificate
    private let command: String

    public init(command: String, certificate: SigningCertificate) {
        self.command = command
        self.certificate = certificate
    }

    public func signature(of message: Data) throws(ImageError) -> Data {
        let result = try HostProgram("sh", .user, limits: .init(time: nil)).result(["-c", command], data: message)
        guard result.isSuccess else {
            throw ImageError(.inputOutput, "the signing command \"\(command)\" ended with \(result.end): \(result.lastErrors)")
        }
        return Data(result.output)
    }
}

/// A signature that was made elsewhere over what ``FirmwareImage/Authenticode/message(of:)`` gave out.
struct FinishedSignature: Signer {
    let certificate: SigningCertificate
    let bytes: Data

    func signature(of message: Data) -> Data { bytes }
}
