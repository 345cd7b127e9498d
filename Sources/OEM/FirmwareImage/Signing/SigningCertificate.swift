import Contract
public import Foundation
internal import BoardSupport
internal import CryptoExtras
internal import SwiftASN1
internal import X509

/// An X.509 certificate (RFC 5280) with an RSA key: what platform firmware holds to check an image with.
public struct SigningCertificate: Sendable, Equatable, CustomStringConvertible {
    /// DER.
    public let bytes: Data
    /// The distinguished name of the key's owner, as people read it.
    public let subject: String
    /// Whether its key is one that `vsmp` made for a developer.
    public let isDevelopment: Bool
    /// From when to when it is valid (RFC 5280, 4.1.2.5). Platform firmware has no clock that it trusts and does not ask; people and update services do.
    public let validity: ClosedRange<Date>
    /// Parts of an Authenticode signature: the issuer's name and the serial number, both DER.
    let issuer, serialNumber: Data
    private let key: _RSA.Signing.PublicKey

    /// SHA-256 of the DER.
    public var fingerprint: ContentDigest { ContentDigest(of: bytes) }
    public var description: String { "\(subject), SHA-256 \(fingerprint)" }

    /// Reads the first certificate of a PEM file.
    public init(file: URL) throws(ImageError) {
        let text = String(decoding: try read(file), as: UTF8.self)
        do {
            let documents = try PEMDocument.parseMultiple(pemString: text)
            guard let document = documents.first(where: { $0.discriminator == "CERTIFICATE" }) else { throw Unusable() }
            try self.init(parsing: document.derBytes)
        } catch {
            throw ImageError(
                .badInput, "\(file.path) holds no X.509 certificate with an RSA key in PEM: expected -----BEGIN CERTIFICATE-----")
        }
    }

    /// - Parameter bytes: DER; a signature holds it like that.
    init(der bytes: Data) throws(ImageError) {
        do {
            try self.init(parsing: Array(bytes))
        } catch {
            throw ImageError(.badInput, "no X.509 certificate with an RSA key: \(error)")
        }
    }

    private struct Unusable: Error {}

    private init(parsing bytes: [UInt8]) throws {
        let certificate = try Certificate(derEncoded: bytes)
        subject = certificate.subject.description
        isDevelopment = certificate.subject.contains { attributes in
            attributes.contains { $0.description == "OU=\(DevelopmentKey.unit)" }
        }
        guard certificate.notValidBefore <= certificate.notValidAfter else { throw Unusable() }
        validity = certificate.notValidBefore...certificate.notValidAfter
        let info = try DERBytes(certificate.publicKey).bytes
        key = try _RSA.Signing.PublicKey(derRepresentation: info)
        // The names as they stand there: encoded anew they could differ, and a checker compares bytes.
        let parts = try DER.parse(bytes).children.first?.children ?? []
        let version = parts.first?.identifier == .init(tagWithNumber: 0, tagClass: .contextSpecific) ? 1 : 0
        guard parts.count > version + 2 else { throw Unusable() }
        serialNumber = Data(parts[version].encodedBytes)
        issuer = Data(parts[version + 2].encodedBytes)
        self.bytes = Data(bytes)
    }

    /// Refuses to sign with a certificate that is not valid now.
    public func checkValidity(at time: Date) throws(ImageError) {
        guard !validity.contains(time) else { return }
        let (first, last) = (validity.lowerBound.formatted(.iso8601), validity.upperBound.formatted(.iso8601))
        throw ImageError(
            .badInput, time < validity.lowerBound
                ? "the certificate of \(subject) is valid from \(first) on: check this computer's clock, or sign with another certificate"
                : "the certificate of \(subject) expired on \(last): sign with one that is valid")
    }

    /// Whether `signature` is this certificate's over `message` (RSASSA-PKCS1-v1_5, SHA-256).
    func accepts(_ signature: Data, of message: Data) -> Bool {
        key.isValidSignature(_RSA.Signing.RSASignature(rawRepresentation: signature), for: message, padding: .insecurePKCS1v1_5)
    }

    public static func == (left: Self, right: Self) -> Bool { left.bytes == right.bytes }
}

private struct DERBytes {
    let bytes: [UInt8]

    init(_ value: some DERSerializable) throws {
        var serializer = DER.Serializer()
        try serializer.serialize(value)
        bytes = serializer.serializedBytes
    }
}

extension ASN1Node {
    /// What is inside a constructed node; empty for a primitive one.
    var children: [ASN1Node] {
        guard case .constructed(let nodes) = content else { return [] }
        return Array(nodes)
    }
}
