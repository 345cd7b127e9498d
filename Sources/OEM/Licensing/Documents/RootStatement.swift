public import Bytes

/// A vendor's root key says who it is. The first is signed by itself; each next one by its predecessor and itself, so that whoever trusts the one
/// trusts the other, and whoever holds only one of the two keys can make none.
public struct RootStatement: Sendable, Equatable {
    public let vendor: String
    /// 1 for the first root, one more for each next.
    public let sequence: Int
    public let issued: UTCTimeStamp
    public let key: PublicKey
    /// The root that this one follows.
    public let previous: PublicKey?
    public let envelope: Envelope

    /// The first root.
    public init(vendor: String, key: SecretKey, issued: UTCTimeStamp) throws(LicensingError) {
        try self.init(
            Envelope(
                .root, Self.text(vendor, 1, issued, key.publicKey, nil), signedBy: [key]), place: "root key")
    }

    /// The root after this one.
    public func rotated(from old: SecretKey, to new: SecretKey, issued: UTCTimeStamp) throws(LicensingError) -> RootStatement {
        guard old.publicKey == key else { throw LicensingError(.chain, "root key", "\(old.publicKey.short) is not the root \(key.short) that is to be followed") }
        guard new.publicKey != key else { throw LicensingError(.chain, "root key", "the new key is the old one; make another with vsmp license keygen") }
        return try RootStatement(
            Envelope(.root, Self.text(vendor, sequence + 1, issued, new.publicKey, key), signedBy: [old, new]), place: "root key")
    }

    /// - Throws: ``LicensingError`` when the content is not of its form, or other keys signed than those that it names.
    public init(_ envelope: Envelope, place: String) throws(LicensingError) {
        self.envelope = envelope
        let text = try envelope.text(.root, place: place)
        do throws(TextError) {
            var reader = try KeyValueText(text, place: place, .exact)
            vendor = try reader.text(try reader.takeNext("vendor"), most: 60)
            sequence = try reader.number(try reader.takeNext("sequence"), 1...1_000_000)
            issued = try reader.time(try reader.takeNext("issued"))
            key = PublicKey(bytes: try reader.bytes(try reader.takeNext("key"), count: 32))!
            previous = sequence == 1 ? nil : PublicKey(bytes: try reader.bytes(try reader.takeNext("previous"), count: 32))!
            try reader.end()
        } catch {
            throw LicensingError(error)
        }
        guard text == Self.text(vendor, sequence, issued, key, previous) else { throw LicensingError(.text, place, "the content is not in its one form") }
        guard envelope.signatures.map(\.key) == [previous, key].compactMap({ $0 }) else {
            throw LicensingError(.signature, place, "a root key is signed by itself, and by the one that it follows")
        }
    }

    private static func text(_ vendor: String, _ sequence: Int, _ issued: UTCTimeStamp, _ key: PublicKey, _ previous: PublicKey?) -> String {
        "vendor=\(vendor)\nsequence=\(sequence)\nissued=\(issued)\nkey=\(key)\n" + (previous.map { "previous=\($0)\n" } ?? "")
    }
}
