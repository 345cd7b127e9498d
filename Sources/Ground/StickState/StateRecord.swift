import Bytes
public import Contract
internal import Crypto

/// What a node remembers from one start to the next: short facts by name.
public struct NodeFacts: Sendable, Equatable {
    /// Firmware hashes that are marked bad: they did not carry a machine in all the starts they had.
    public var badFirmware: Set<FirmwareHash> = []
    /// Facts of other parts of the firmware, and those of newer firmware that this one does not know, kept as they are.
    public var others: [String: String] = [:]

    public init() {}

    var text: String {
        let lines = badFirmware.map { "bad-firmware=\($0)\n" }.sorted() + others.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
        return lines.joined()
    }

    init?(text: some Sequence<UInt8>) {
        guard var fields = try? KeyValueText(text, place: "", .exact) else { return nil }
        for field in fields.takeRest() {
            guard field.key == "bad-firmware" else {
                others[field.key] = field.value
                continue
            }
            guard let hash = FirmwareHash(hexadecimal: field.value) else { return nil }
            badFirmware.insert(hash)
        }
    }
}

/// One record of the state store, little-endian: the 8 bytes `vSMstate`, a format version (4 bytes), the length of the text (4),
/// a sequence number (8), the text, zeros, and in the last 32 bytes the SHA-256 of all others.
struct StateRecord: Sendable, Equatable {
    /// Bytes of a record, one erase block of a small flash or less.
    static let size = 4096
    private static let magic = Array("vSMstate".utf8)
    private static let headerSize = 24
    private static let version: UInt32 = 1

    var sequence: UInt64
    var facts: NodeFacts

    init(sequence: UInt64, facts: NodeFacts) {
        self.sequence = sequence
        self.facts = facts
    }

    /// Nil for what was never written, half written or damaged.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.size, bytes.starts(with: Self.magic), bytes.number(at: 8) == Self.version, let length = bytes.number(UInt32.self, at: 12), let sequence = bytes.number(UInt64.self, at: 16),
            Array(SHA256.hash(data: bytes.dropLast(32))) == Array(bytes.suffix(32))
        else { return nil }
        guard length <= UInt32(Self.size - Self.headerSize - 32) else { return nil }
        self.sequence = sequence
        guard let facts = NodeFacts(text: bytes[Self.headerSize..<Self.headerSize + Int(length)]) else { return nil }
        self.facts = facts
    }

    /// Nil when the facts are too long for a record.
    var bytes: [UInt8]? {
        let text = Array(facts.text.utf8)
        guard text.count <= Self.size - Self.headerSize - 32 else { return nil }
        var bytes = Self.magic + Self.version.bytes() + UInt32(text.count).bytes() + sequence.bytes() + text
        bytes += [UInt8](repeating: 0, count: Self.size - 32 - bytes.count)
        return bytes + Array(SHA256.hash(data: bytes))
    }
}
