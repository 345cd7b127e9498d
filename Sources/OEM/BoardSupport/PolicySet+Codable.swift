public import Coherence

/// An array of names.
extension PolicySet: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(words: [String](from: decoder))
    }

    public func encode(to encoder: any Encoder) throws { try memberNames.encode(to: encoder) }
}
