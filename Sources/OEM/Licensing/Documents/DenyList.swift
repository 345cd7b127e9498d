public import Bytes

/// What is no longer accepted: licences that were transferred or stolen, keys that were lost. A newer version takes the place of an older one as a
/// whole, so a new list repeats what still holds.
public struct DenyList: Sendable, Equatable {
    /// Counts up; a node never goes back behind the newest that it has seen.
    public let version: Int
    public let issued: UTCTimeStamp
    /// Ids of licences.
    public let licences: Set<String>
    /// Keys of OEMs, and older roots.
    public let keys: Set<PublicKey>
    public let envelope: Envelope
    /// The root that signed.
    public var signer: PublicKey { envelope.signatures[0].key }

    public init(version: Int, issued: UTCTimeStamp, licences: Set<String>, keys: Set<PublicKey>, signedBy root: SecretKey) throws(LicensingError) {
        let text = Self.text(version, issued, licences, keys)
        guard text.utf8.count <= Envelope.maximumContent else { throw LicensingError(.text, "deny list", "it is too long: \(licences.count + keys.count) entries") }
        try self.init(Envelope(.denyList, text, signedBy: [root]), place: "deny list")
    }

    public init(_ envelope: Envelope, place: String) throws(LicensingError) {
        self.envelope = envelope
        let text = try envelope.text(.denyList, place: place)
        do throws(TextError) {
            var reader = try KeyValueText(text, place: place, .exact)
            version = try reader.number(try reader.takeNext("version"), 1...Self.largestVersion)
            issued = try reader.time(try reader.takeNext("issued"))
            var licences: Set<String> = []
            for field in reader.takeAllNext("licence") { licences.insert(try reader.name(field, prefix: Licence.idPrefix)) }
            var keys: Set<PublicKey> = []
            for field in reader.takeAllNext("key") { keys.insert(PublicKey(bytes: try reader.bytes(field, count: 32))!) }
            try reader.end()
            self.licences = licences
            self.keys = keys
        } catch {
            throw LicensingError(error)
        }
        guard text == Self.text(version, issued, licences, keys) else { throw LicensingError(.text, place, "the content is not in its one form") }
    }

    static let largestVersion = 1 << 40

    private static func text(_ version: Int, _ issued: UTCTimeStamp, _ licences: Set<String>, _ keys: Set<PublicKey>) -> String {
        "version=\(version)\nissued=\(issued)\n" + licences.sorted().map { "licence=\($0)\n" }.joined()
            + keys.map(\.description).sorted().map { "key=\($0)\n" }.joined()
    }
}
