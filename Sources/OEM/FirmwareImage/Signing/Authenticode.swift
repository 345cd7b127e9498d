import Contract
internal import BoardSupport
internal import Crypto
internal import Foundation
internal import SwiftASN1

/// The signature that UEFI's Secure Boot checks: PKCS#7 signed data over a PE file's hash (Microsoft, "Windows Authenticode Portable
/// Executable Signature Format", 2008; PKCS#7 is RFC 2315; UEFI specification 2.10, 32.5).
enum Authenticode {
    /// What has to be signed: the authenticated attributes, as they are hashed. It depends on the program alone, on no key, name or time.
    static func message(of program: Data) throws(ImageError) -> Data {
        attributes(of: indirectData(try PortableExecutable(program).digest()))
    }

    /// The program with a signature by `signer` in place of any it had.
    static func sign(_ program: Data, by signer: any Signer) throws(ImageError) -> Data {
        let file = try PortableExecutable(program)
        let data = indirectData(file.digest())
        let message = attributes(of: data)
        let signature = try signer.signature(of: message)
        guard signer.certificate.accepts(signature, of: message) else {
            throw ImageError(
                .badInput, "the signature (\(signature.count) bytes) is not that of \(signer.certificate.subject) over this image: RSA "
                    + "PKCS#1 v1.5 with SHA-256 is needed, by the key of that certificate")
        }
        return file.signed(with: signedData(data, message, signer.certificate, signature))
    }

    /// Whose signatures the program carries, each checked by the certificate that came with it. Who may sign is for the caller to say.
    static func signers(of program: Data) throws(ImageError) -> [SigningCertificate] {
        let file = try PortableExecutable(program)
        var found: [SigningCertificate] = []
        for signature in try file.signatures() { found.append(try signer(signature, over: file.digest())) }
        return found
    }

    // MARK: Writing

    private static let signedDataType: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 7, 2]
    private static let indirectDataType: ASN1ObjectIdentifier = [1, 3, 6, 1, 4, 1, 311, 2, 1, 4]
    private static let peImageType: ASN1ObjectIdentifier = [1, 3, 6, 1, 4, 1, 311, 2, 1, 15]
    private static let sha256: ASN1ObjectIdentifier = [2, 16, 840, 1, 101, 3, 4, 2, 1]
    private static let rsaEncryption: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 1, 1]
    private static let contentType: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 9, 3]
    private static let messageDigest: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 9, 4]

    /// SpcIndirectDataContent: the kind of file, and its hash.
    private static func indirectData(_ digest: Data) -> Data {
        let name = Data("<<<Obsolete>>>".utf8.flatMap { [0, $0] })
        let flags = DER.encode(.bitString, Data([0]))
        let file = DER.encode(.context0, DER.encode(.context2, DER.encode(.primitive0, name)))
        return DER.encode(
            .sequence,
            DER.encode(.sequence, DER.encode(peImageType) + DER.encode(.sequence, flags + file))
                + DER.encode(.sequence, algorithm(sha256) + DER.encode(.octetString, digest)))
    }

    /// The authenticated attributes as a SET, in DER's order.
    private static func attributes(of data: Data) -> Data {
        // What is hashed is the inside of the SEQUENCE, without its tag and length (RFC 2315, 9.3).
        let digest = Data(SHA256.hash(data: DER.inside(data)))
        return DER.encode(
            .set,
            DER.encode(.sequence, DER.encode(contentType) + DER.encode(.set, DER.encode(indirectDataType)))
                + DER.encode(.sequence, DER.encode(messageDigest) + DER.encode(.set, DER.encode(.octetString, digest))))
    }

    private static func signedData(_ data: Data, _ attributes: Data, _ certificate: SigningCertificate, _ signature: Data) -> Data {
        let version = DER.encode(.integer, Data([1]))
        let name = DER.encode(.sequence, certificate.issuer + certificate.serialNumber)
        let signer = DER.encode(
            .sequence,
            version + name + algorithm(sha256) + DER.encode(.context0, DER.inside(attributes)) + algorithm(rsaEncryption)
                + DER.encode(.octetString, signature))
        let content = DER.encode(.sequence, DER.encode(indirectDataType) + DER.encode(.context0, data))
        let body = DER.encode(
            .sequence,
            version + DER.encode(.set, algorithm(sha256)) + content + DER.encode(.context0, certificate.bytes) + DER.encode(.set, signer))
        return DER.encode(.sequence, DER.encode(signedDataType) + DER.encode(.context0, body))
    }

    private static func algorithm(_ name: ASN1ObjectIdentifier) -> Data {
        DER.encode(.sequence, DER.encode(name) + DER.encode(.null, Data()))
    }

    // MARK: Reading

    private struct Malformed: Error {}

    private static func signer(_ signature: Data, over digest: Data) throws(ImageError) -> SigningCertificate {
        do {
            let parts = try Parts(signature)
            guard let certificate = try parts.certificates.map({ try SigningCertificate(der: $0) }).first(where: parts.names) else {
                throw Malformed()
            }
            // The hash that is signed is this program's, and the attributes that are signed are those of this hash.
            guard parts.digest == digest, parts.attributeDigest == Data(SHA256.hash(data: DER.inside(parts.data)))
            else { throw ImageError(.inputOutput, "the signature of \(certificate.subject) is over another program: this one was changed") }
            guard certificate.accepts(parts.signature, of: parts.attributes) else {
                throw ImageError(.inputOutput, "the signature of \(certificate.subject) is not by the key of that certificate")
            }
            return certificate
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(.inputOutput, "a signature of the UEFI program is no Authenticode signature with SHA-256 and RSA")
        }
    }

    /// PKCS#7 taken apart.
    private struct Parts {
        var data = Data()
        var digest = Data()
        var certificates: [Data] = []
        var attributes = Data()
        var attributeDigest = Data()
        var signature = Data()
        private var issuerAndSerial = Data()

        init(_ bytes: Data) throws {
            let body = try Self.child(try Self.child(try DER.parse(Array(bytes)), 1), 0).children
            guard body.count >= 5, let signerSet = body.last, let signer = signerSet.children.first?.children, signerSet.children.count == 1,
                signer.count >= 6
            else { throw Malformed() }
            let content = try Self.child(try Self.child(body[2], 1), 0)
            data = Data(content.encodedBytes)
            digest = try Self.octets(try Self.child(try Self.child(content, 1), 1))
            certificates = body[3].children.map { Data($0.encodedBytes) }
            issuerAndSerial = Data(signer[1].encodedBytes)
            attributes = DER.encode(.set, DER.inside(Data(signer[3].encodedBytes)))
            let wanted = DER.encode(messageDigest)
            guard let attribute = signer[3].children.first(where: { $0.children.first.map { Data($0.encodedBytes) } == wanted }) else {
                throw Malformed()
            }
            attributeDigest = try Self.octets(try Self.child(try Self.child(attribute, 1), 0))
            signature = try Self.octets(signer[5])
        }

        func names(_ certificate: SigningCertificate) -> Bool {
            issuerAndSerial == DER.encode(.sequence, certificate.issuer + certificate.serialNumber)
        }

        private static func child(_ node: ASN1Node, _ index: Int) throws -> ASN1Node {
            guard index < node.children.count else { throw Malformed() }
            return node.children[index]
        }

        private static func octets(_ node: ASN1Node) throws -> Data {
            guard case .primitive(let bytes) = node.content, node.identifier == .octetString else { throw Malformed() }
            return Data(bytes)
        }
    }
}

extension DER {
    /// Tags as they are written (ITU-T X.690, 8.1.2).
    fileprivate enum Tag: UInt8 {
        case integer = 0x02, bitString = 0x03, octetString = 0x04, null = 0x05, sequence = 0x30, set = 0x31
        case primitive0 = 0x80, context0 = 0xA0, context2 = 0xA2
    }

    fileprivate static func encode(_ tag: Tag, _ content: Data) -> Data {
        var length: [UInt8] = [UInt8(truncatingIfNeeded: content.count)]
        if content.count > 127 {
            let bytes = (0..<4).reversed().map { UInt8(truncatingIfNeeded: content.count >> ($0 * 8)) }.drop { $0 == 0 }
            length = [0x80 | UInt8(bytes.count)] + bytes
        }
        return Data([tag.rawValue] + length) + content
    }

    fileprivate static func encode(_ name: ASN1ObjectIdentifier) -> Data {
        var serializer = DER.Serializer()
        // Only a value that cannot be encoded throws, and an identifier always can.
        try? serializer.serialize(name)
        return Data(serializer.serializedBytes)
    }

    /// What stands behind the tag and the length.
    fileprivate static func inside(_ encoded: Data) -> Data {
        guard encoded.count >= 2 else { return Data() }
        let first = encoded[encoded.startIndex + 1]
        return Data(encoded.dropFirst(first < 128 ? 2 : 2 + Int(first & 127)))
    }
}
