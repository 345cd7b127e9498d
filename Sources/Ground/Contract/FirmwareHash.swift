internal import Bytes

/// SHA-256 over everything of a bank that decides what a node executes before it reads its personalisation (docs/images.md, "The firmware hash").
/// The image states it, machines are made of nodes that state the same one, and nothing but a signature proves it.
public struct FirmwareHash: Hashable, Sendable, CustomStringConvertible {
    package static let byteCount = 32
    public let bytes: [UInt8]

    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// 64 hexadecimal digits, capital or small, blanks and a line end around them allowed.
    public init?(hexadecimal text: some StringProtocol) {
        guard let bytes = Hexadecimal.decode(text.trimmed, capitals: true) else { return nil }
        self.init(bytes: bytes)
    }

    /// 64 small hexadecimal digits.
    public var description: String { Hexadecimal.encode(bytes) }
    /// The first 12 digits, for messages.
    public var short: String { Hexadecimal.encode(bytes.prefix(6)) }
}

/// As its digits.
extension FirmwareHash: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let hash = FirmwareHash(hexadecimal: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a firmware hash has 64 hexadecimal digits")
        }
        self = hash
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
