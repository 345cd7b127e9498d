import Bytes
import Crypto

/// The 256-bit secret every stick of a kit carries. Never used directly: each purpose has a key derived from it
/// (HKDF, RFC 5869), so that a proof for one purpose is worthless for another.
package struct ClusterKey: Sendable {
    private let secret: SymmetricKey

    package init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        secret = SymmetricKey(data: bytes)
    }

    /// 64 hexadecimal digits, white space around them allowed, as `cluster.key` holds them.
    package init?(hexadecimal text: some StringProtocol) {
        guard let bytes = Hexadecimal.decode(text.trimmed, capitals: true) else { return nil }
        self.init(bytes: bytes)
    }

    enum Purpose: String {
        case handshake = "vsmp interconnect handshake v1"
        case beacon = "vsmp interconnect beacon v1"
    }

    func derived(for purpose: Purpose) -> AuthenticationKey {
        AuthenticationKey(
            key: HKDF<SHA256>.deriveKey(
                inputKeyMaterial: secret, info: Array(purpose.rawValue.utf8), outputByteCount: 32))
    }
}

/// HMAC-SHA256 (RFC 2104) with a key for one purpose.
struct AuthenticationKey: Sendable {
    fileprivate let key: SymmetricKey
    static let codeLength = 32

    func code(for message: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
    }

    /// Compares in constant time.
    func isValid(_ code: some Sequence<UInt8>, for message: [UInt8]) -> Bool {
        HMAC<SHA256>.isValidAuthenticationCode(Array(code), authenticating: message, using: key)
    }
}

func sha256(_ bytes: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

/// SHA-256 over the firmware image, as the image states it about itself.
package struct FirmwareHash: Sendable, Hashable, CustomStringConvertible {
    package static let byteCount = 32
    package let bytes: [UInt8]

    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    package init?(hexadecimal text: some StringProtocol) {
        guard let bytes = Hexadecimal.decode(text.trimmed, capitals: true) else { return nil }
        self.init(bytes: bytes)
    }

    package var description: String { Hexadecimal.encode(bytes) }
    /// The first 12 digits, for messages.
    package var short: String { Hexadecimal.encode(bytes.prefix(6)) }
}
