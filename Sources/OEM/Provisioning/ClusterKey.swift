import Bytes
internal import BoardSupport
internal import Crypto

/// The 256-bit key that all nodes of a kit share. Never printed: its text form says only that there is one.
public struct ClusterKey: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let bytes: [UInt8]

    /// A new key from the system's random number generator (getrandom(2)).
    public init() {
        var generator = SystemRandomNumberGenerator()
        self.init(using: &generator)
    }

    /// A key from `generator`; for tests that need a known one.
    public init(using generator: inout some RandomNumberGenerator) {
        bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// Reads 64 hexadecimal digits; nil when `text` is anything else.
    public init?(hexadecimal text: String) {
        guard let bytes = Hexadecimal.decode(text, capitals: true), bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// The key in clear, for the stick and the kit's own file only.
    package var hexadecimal: String { Hexadecimal.encode(bytes) }

    public var description: String { "ClusterKey(hidden)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }

    /// Names the kit without telling the key: the same key always gives the same name (HKDF, RFC 5869).
    var kitID: String {
        let derived = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: bytes), info: Array("vsmp kit id v1".utf8), outputByteCount: 8)
        let name = unsafe derived.withUnsafeBytes { unsafe Array($0) }
        return "kit-" + Hexadecimal.encode(name)
    }
}
