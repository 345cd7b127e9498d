public import Bytes

/// A customer's permission to run one machine of an edition.
public struct Licence: Sendable, Equatable {
    /// `lic-` and 32 digits, random; all nodes of a machine carry the same one.
    public let id: String
    public let customer: String
    public let issued: UTCTimeStamp
    /// Nil has no end.
    public let notAfter: UTCTimeStamp?
    /// The licence that this one takes the place of: renewal, another edition, other boards.
    public let replaces: String?
    /// `Envelope.digest` of the grant under which it was issued.
    public let grant: String
    public let binding: Binding
    public let envelope: Envelope
    /// The OEM's key that signed.
    public var signer: PublicKey { envelope.signatures[0].key }

    static let idPrefix = "lic-"

    /// A new licence with a random id.
    /// - Throws: ``LicensingError`` of kind `chain` for what the grant does not permit: another key, a later time, a longer run.
    public init(
        customer: String, issued: UTCTimeStamp, notAfter: UTCTimeStamp?, replaces: String? = nil, under grant: EditionGrant, binding: Binding, signedBy key: SecretKey
    ) throws(LicensingError) {
        var random = SystemRandomNumberGenerator()
        let id = Self.idPrefix + Hexadecimal.encode((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        let text = Self.text(id, customer, issued, notAfter, replaces, grant.envelope.digest, binding)
        try self.init(Envelope(.licence, text, signedBy: [key]), place: "licence")
        try check(under: grant, place: "licence")
    }

    public init(_ envelope: Envelope, place: String) throws(LicensingError) {
        self.envelope = envelope
        let text = try envelope.text(.licence, place: place)
        do throws(TextError) {
            var reader = try KeyValueText(text, place: place, .exact)
            id = try reader.name(try reader.takeNext("licence"), prefix: Self.idPrefix)
            customer = try reader.text(try reader.takeNext("customer"))
            issued = try reader.time(try reader.takeNext("issued"))
            notAfter = if let field = reader.takeIfNext("not-after") { try reader.time(field) } else { nil }
            replaces = if let field = reader.takeIfNext("replaces") { try reader.name(field, prefix: Self.idPrefix) } else { nil }
            grant = Hexadecimal.encode(try reader.bytes(try reader.takeNext("grant"), count: 32))
            binding = try Binding(from: &reader)
            try reader.end()
        } catch {
            throw LicensingError(error)
        }
        guard text == Self.text(id, customer, issued, notAfter, replaces, grant, binding) else {
            throw LicensingError(.text, place, "the content is not in its one form")
        }
    }

    private static func text(
        _ id: String, _ customer: String, _ issued: UTCTimeStamp, _ notAfter: UTCTimeStamp?, _ replaces: String?, _ grant: String, _ binding: Binding
    ) -> String {
        "licence=\(id)\ncustomer=\(customer)\nissued=\(issued)\n" + (notAfter.map { "not-after=\($0)\n" } ?? "")
            + (replaces.map { "replaces=\($0)\n" } ?? "") + "grant=\(grant)\n" + binding.text
    }

    /// Whether the grant permits this licence.
    func check(under grant: EditionGrant, place: String) throws(LicensingError) {
        func wrong(_ problem: String) -> LicensingError { LicensingError(.chain, place, "licence \(id): \(problem)") }
        guard grant.envelope.digest == self.grant else { throw wrong("it was issued under another grant than that of \(grant.oem) for \(grant.edition.name)") }
        guard grant.key == signer else { throw wrong("key \(signer.short) signed it, but \(grant.oem) was granted key \(grant.key.short)") }
        guard issued >= grant.issued, grant.notAfter.map({ issued <= $0 }) ?? true else {
            throw wrong("it was issued on \(issued.day), which is outside of its grant's time, from \(grant.issued.day)\(grant.notAfter.map { " to \($0.day)" } ?? "")")
        }
        guard notAfter.map({ issued < $0 }) ?? true else {
            throw wrong("it ends on \(notAfter.map(String.init(describing:)) ?? ""), before it begins on \(issued)")
        }
        guard let most = grant.edition.longestDays else { return }
        guard let notAfter, issued.adding(days: most).map({ notAfter <= $0 }) ?? true else {
            throw wrong("edition \(grant.edition.name) allows at most \(most) days, it runs \(notAfter.map { "until \($0.day)" } ?? "without an end")")
        }
    }
}
