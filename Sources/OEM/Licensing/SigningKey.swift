import Bytes
internal import Crypto

/// The public half of an Ed25519 key (RFC 8032): 32 bytes.
public struct PublicKey: Sendable, Hashable, CustomStringConvertible {
    static let byteCount = 32
    static let signatureByteCount = 64

    public let bytes: [UInt8]

    /// Nil unless there are 32 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// 64 digits, lower case.
    public init?(hexadecimal text: some StringProtocol) {
        guard let bytes = Hexadecimal.decode(text) else { return nil }
        self.init(bytes: bytes)
    }

    public var description: String { Hexadecimal.encode(bytes) }
    /// The first 12 digits, for messages.
    public var short: String { Hexadecimal.encode(bytes.prefix(6)) }

    /// Whether `signature` is this key's over `message`.
    func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes) else { return false }
        return key.isValidSignature(signature, for: message)
    }
}

/// The secret half. Its text form says only that there is one.
public struct SecretKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let key: Curve25519.Signing.PrivateKey

    /// A new key from the system's random number generator.
    public init() { key = Curve25519.Signing.PrivateKey() }

    /// From its 32-byte seed (RFC 8032, section 5.1.5); nil for another number of bytes.
    package init?(seed: [UInt8]) {
        guard seed.count == 32, let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else { return nil }
        self.key = key
    }

    public var publicKey: PublicKey {
        guard let key = PublicKey(bytes: Array(key.publicKey.rawRepresentation)) else { preconditionFailure("Ed25519 keys have 32 bytes") }
        return key
    }

    /// The same key and message give the same signature (RFC 8032, section 5.1.6).
    func signature(for message: [UInt8]) -> [UInt8] {
        guard let signature = try? key.signature(for: message) else { preconditionFailure("Ed25519 signs every message") }
        return Array(signature)
    }

    package static let label = "VSMP SECRET KEY"

    /// The seed in clear, armoured, for the key's own file only.
    package var armoured: String { Armour(Self.label, Array(key.rawRepresentation)).text }

    /// Reads what ``armoured`` wrote.
    /// - Parameter place: names the file in errors, which never repeat its content.
    public init(armoured text: [UInt8], place: String) throws(LicensingError) {
        let blocks: [Armour]
        do {
            blocks = try Armour.blocks(in: text, place: place)
        } catch {
            throw LicensingError(.armour, place, "this is no secret key, or it was cut off; make one with: vsmp license keygen")
        }
        guard blocks.count == 1, blocks[0].label == Self.label, let key = SecretKey(seed: blocks[0].bytes) else {
            throw LicensingError(.armour, place, "expected one \(Self.label); make one with: vsmp license keygen")
        }
        self = key
    }

    public var description: String { "SecretKey(hidden)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}

func sha256(_ bytes: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: bytes)) }
