internal import Bytes
internal import Crypto
internal import Foundation

/// One line of the factory log: an entry, its number, and the hashes that chain it to the record before.
public struct FactoryRecord: Sendable, Equatable {
    public enum Content: Sendable, Equatable {
        case stick(FactoryEntry)
        /// The line before is what is left of a record that was cut off.
        case mended(Fragment)
    }

    /// What a cut left on a line of its own.
    public struct Fragment: Sendable, Equatable, Codable {
        public var bytes: Int
        public var sha256: String

        init(_ text: [UInt8]) {
            bytes = text.count
            sha256 = Hexadecimal.encode(SHA256.hash(data: text))
        }
    }

    /// From 1, without a gap.
    public let number: Int
    /// ``hash`` of the record before; zeros in the first.
    public let previous: String
    public let content: Content
    /// SHA-256 of this line without its member `hash`, which is the last.
    public let hash: String
    /// Without the line feed.
    let line: [UInt8]

    static let noHash = String(repeating: "0", count: 64)
    /// The form of the lines, for readers.
    private static let form = 1

    init(after last: FactoryRecord?, _ content: Content) {
        number = (last?.number ?? 0) + 1
        previous = last?.hash ?? Self.noHash
        self.content = content
        var body = Body(log: Self.form, number: number, previous: previous)
        switch content {
        case .stick(let entry): body.entry = entry.bounded
        case .mended(let fragment): body.mended = fragment
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // No number that JSON does not have, and no key that is not text.
        guard let text = try? encoder.encode(body) else { preconditionFailure("a record is always JSON") }
        hash = Self.hash(of: Array(text))
        line = Array(text.dropLast()) + Array(Self.hashKey.utf8) + Array(hash.utf8) + Array("\"}".utf8)
    }

    /// Reads a line; nil when it is none of a factory log. Whether its hashes are right is another question.
    init?(_ line: [UInt8]) {
        guard line.count > Self.hashLength, line.first == UInt8(ascii: "{") else { return nil }
        let tail = String(decoding: line.suffix(Self.hashLength), as: UTF8.self)
        guard tail.hasPrefix(Self.hashKey), tail.hasSuffix("\"}"), let body = try? JSONDecoder().decode(Body.self, from: Data(line)), body.log == Self.form else { return nil }
        switch (body.entry, body.mended) {
        case (let entry?, nil): content = .stick(entry)
        case (nil, let fragment?): content = .mended(fragment)
        default: return nil
        }
        (number, previous) = (body.number, body.previous)
        hash = String(tail.dropFirst(Self.hashKey.count).dropLast(2))
        self.line = line
    }

    /// Whether nobody changed the line since it was written.
    var isIntact: Bool { Self.hash(of: Array(line.dropLast(Self.hashLength)) + [UInt8(ascii: "}")]) == hash }

    func follows(_ last: FactoryRecord?) -> Bool { isIntact && number == (last?.number ?? 0) + 1 && previous == last?.hash ?? Self.noHash }

    private static let hashKey = ",\"hash\":\""
    private static let hashLength = hashKey.utf8.count + 64 + 2

    private static func hash(of text: [UInt8]) -> String { Hexadecimal.encode(SHA256.hash(data: text)) }

    private struct Body: Codable {
        var log: Int
        var number: Int
        var previous: String
        var entry: FactoryEntry?
        var mended: Fragment?
    }
}
