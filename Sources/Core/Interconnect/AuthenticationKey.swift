import Contract
import Crypto

extension ClusterKey {
    /// What a proof is for: one for another purpose is worthless.
    enum Purpose: String {
        case handshake = "vsmp interconnect handshake v2"
        case beacon = "vsmp interconnect beacon v1"
    }

    func derived(for purpose: Purpose) -> AuthenticationKey {
        AuthenticationKey(
            key: HKDF<SHA256>.deriveKey(
                inputKeyMaterial: SymmetricKey(data: secret), info: Array(purpose.rawValue.utf8), outputByteCount: 32))
    }
}

/// HMAC-SHA256 (RFC 2104) with a key for one purpose.
struct AuthenticationKey: Sendable {
    private let key: SymmetricKey
    static let codeLength = 32

    init(key: SymmetricKey) { self.key = key }

    /// To derive others from; whoever takes them erases them.
    var bytes: [UInt8] { unsafe key.withUnsafeBytes { unsafe [UInt8]($0) } }

    func code(for message: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: message, using: key))
    }

    /// Compares in constant time.
    func isValid(_ code: some Sequence<UInt8>, for message: [UInt8]) -> Bool {
        HMAC<SHA256>.isValidAuthenticationCode(Array(code), authenticating: message, using: key)
    }
}
