import Contract
public import Foundation
internal import BoardSupport
internal import CryptoExtras
internal import SwiftASN1
internal import X509

/// A key for images that never leave the developer's desk, made on first use in the user's own state folder.
public enum DevelopmentKey {
    /// What marks its certificate wherever it turns up: the organizational unit of its subject.
    static let unit = "VSMP DEVELOPMENT"

    /// `VSMP_STATE`, else `XDG_STATE_HOME/vsmp`, else `~/.local/state/vsmp` (XDG Base Directory Specification).
    public static func standardFolder(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> URL {
        if let folder = environment["VSMP_STATE"], !folder.isEmpty { return URL(fileURLWithPath: folder) }
        if let folder = environment["XDG_STATE_HOME"], folder.hasPrefix("/") { return URL(fileURLWithPath: folder).appendingPathComponent("vsmp") }
        let home = environment["HOME"].map { URL(fileURLWithPath: $0) } ?? FileManager.default.homeDirectoryForCurrentUser
        return home.appendingPathComponent(".local/state/vsmp")
    }

    /// The certificate that a test board's platform firmware can be given.
    public static func certificateFile(in folder: URL) -> URL { folder.appendingPathComponent("development.pem") }
    static func keyFile(in folder: URL) -> URL { folder.appendingPathComponent("development.key") }

    /// The signer of `folder`; where it has no key yet, one is made first.
    ///
    /// - Parameter isMade: told the certificate's place when a key was made.
    public static func signer(in folder: URL, isMade: (URL) -> Void = { _ in }) throws(ImageError) -> KeyFileSigner {
        let (key, certificate) = (keyFile(in: folder), certificateFile(in: folder))
        if !FileManager.default.fileExists(atPath: key.path) || !FileManager.default.fileExists(atPath: certificate.path) {
            try make(in: folder)
            isMade(certificate)
        }
        return try KeyFileSigner(key: key, certificate: try SigningCertificate(file: certificate))
    }

    private static func make(in folder: URL) throws(ImageError) {
        let texts: (key: String, certificate: String)
        do {
            let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            let certificate = try self.certificate(for: Certificate.PrivateKey(key))
            texts = (key.pemRepresentation, try certificate.serializeAsPEM().pemString)
        } catch {
            throw ImageError(.internalError, "cannot make a development key: \(error)")
        }
        do {
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw ImageError(.cannotCreate, "cannot create \(folder.path) for the development key: \(error.localizedDescription)")
        }
        // The certificate takes its place last: a key without one is made anew, never used.
        for (file, text) in [(keyFile(in: folder), texts.key), (certificateFile(in: folder), texts.certificate)] {
            try replace(file) { partial throws(ImageError) in
                guard FileManager.default.createFile(
                    atPath: partial.path, contents: Data((text + "\n").utf8), attributes: [.posixPermissions: 0o600])
                else { throw ImageError(.cannotCreate, "cannot write \(file.path), the development key") }
            }
        }
    }

    private static func certificate(for key: Certificate.PrivateKey) throws -> Certificate {
        let name = try DistinguishedName {
            OrganizationalUnitName(unit)
            CommonName("Development key (not for release)")
        }
        let now = Date()
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey, notValidBefore: now.addingTimeInterval(-86400),
            notValidAfter: now.addingTimeInterval(20 * 365 * 86400), issuer: name, subject: name, signatureAlgorithm: .sha256WithRSAEncryption,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                KeyUsage(digitalSignature: true)
                try ExtendedKeyUsage([.codeSigning])
            },
            issuerPrivateKey: key)
    }
}
