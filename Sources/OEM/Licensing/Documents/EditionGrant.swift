public import Bytes

/// A vendor's permission for an OEM's key to issue licences of one edition. The edition's limits are in it, so that the OEM cannot change them.
public struct EditionGrant: Sendable, Equatable {
    public let oem: String
    /// Signs the licences.
    public let key: PublicKey
    public let issued: UTCTimeStamp
    /// The OEM may issue until then; licences that were issued before go on.
    public let notAfter: UTCTimeStamp?
    public let edition: Edition
    public let envelope: Envelope
    /// The root that signed.
    public var signer: PublicKey { envelope.signatures[0].key }

    public init(oem: String, key: PublicKey, edition: Edition, issued: UTCTimeStamp, notAfter: UTCTimeStamp?, signedBy root: SecretKey) throws(LicensingError) {
        guard notAfter.map({ issued < $0 }) ?? true else {
            throw LicensingError(.text, "edition grant", "it ends on \(notAfter.map(String.init(describing:)) ?? ""), before it begins on \(issued)")
        }
        try self.init(Envelope(.grant, Self.text(oem, key, issued, notAfter, edition), signedBy: [root]), place: "edition grant")
    }

    public init(_ envelope: Envelope, place: String) throws(LicensingError) {
        self.envelope = envelope
        let text = try envelope.text(.grant, place: place)
        do throws(TextError) {
            var reader = try KeyValueText(text, place: place, .exact)
            oem = try reader.text(try reader.takeNext("oem"), most: 60)
            key = PublicKey(bytes: try reader.bytes(try reader.takeNext("key"), count: 32))!
            issued = try reader.time(try reader.takeNext("issued"))
            notAfter = if let field = reader.takeIfNext("not-after") { try reader.time(field) } else { nil }
            edition = try Edition(rest: &reader)
        } catch {
            throw LicensingError(error)
        }
        guard text == Self.text(oem, key, issued, notAfter, edition) else { throw LicensingError(.text, place, "the content is not in its one form") }
    }

    private static func text(_ oem: String, _ key: PublicKey, _ issued: UTCTimeStamp, _ notAfter: UTCTimeStamp?, _ edition: Edition) -> String {
        "oem=\(oem)\nkey=\(key)\nissued=\(issued)\n" + (notAfter.map { "not-after=\($0)\n" } ?? "") + edition.text
    }
}
