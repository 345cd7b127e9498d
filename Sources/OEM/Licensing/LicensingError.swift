/// What is wrong with a licence, an edition, a key or another document of this module: where, and what.
public struct LicensingError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// A text is not of its form.
        case text
        /// Armour or base64.
        case armour
        /// The bytes of an envelope.
        case envelope
        /// A signature, or who made it.
        case signature
        /// Each document is whole, but they do not belong together.
        case chain
    }

    public let kind: Kind
    /// A file's name, with the line behind a colon where one is known.
    public var place: String
    public let problem: String

    public init(_ kind: Kind, _ place: String, _ problem: String) {
        self.kind = kind
        self.place = place
        self.problem = problem
    }

    public var description: String { place.isEmpty ? problem : "\(place): \(problem)" }
}
