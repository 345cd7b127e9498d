/// A vendor's permission for an OEM's key to issue licences of one edition. The edition's limits are in it, so that the OEM cannot change them.
public struct EditionGrant: Sendable, Equatable {
    public let oem: String
    /// Signs the licences.
    public let key: PublicKey
    public let issued: Moment
    /// The OEM may issue until then; licences that were issued before go on.
    public let notAfter: Moment?
    public let edition: Edition
    public let envelope: Envelope
    /// The root that signed.
    public var signer: PublicKey { envelope.signatures[0].key }

    public init(oem: String, key: PublicKey, edition: Edition, issued: Moment, notAfter: Moment?, signedBy root: SecretKey) throws(LicensingError) {
        guard notAfter.map({ issued < $0 }) ?? true else {
            throw LicensingError(.text, "edition grant", "it ends on \(notAfter.map(String.init(describing:)) ?? ""), before it begins on \(issued)")
        }
        try self.init(Envelope(.grant, Self.text(oem, key, issued, notAfter, edition), signedBy: [root]), place: "edition grant")
    }

    public init(_ envelope: Envelope, place: String) throws(LicensingError) {
        self.envelope = envelope
        let text = try envelope.text(.grant, place: place)
        var reader = try FieldReader(text, place: place, comments: false)
        oem = try reader.text(try reader.take("oem"), most: 60)
        key = PublicKey(bytes: try reader.bytes(try reader.take("key"), count: 32))!
        issued = try reader.moment(try reader.take("issued"))
        notAfter = if let field = reader.takeIfNext("not-after") { try reader.moment(field) } else { nil }
        edition = try Edition(rest: &reader)
        guard text == Self.text(oem, key, issued, notAfter, edition) else { throw LicensingError(.text, place, "the content is not in its one form") }
    }

    private static func text(_ oem: String, _ key: PublicKey, _ issued: Moment, _ notAfter: Moment?, _ edition: Edition) -> String {
        "oem=\(oem)\nkey=\(key)\nissued=\(issued)\n" + (notAfter.map { "not-after=\($0)\n" } ?? "") + edition.text
    }
}
