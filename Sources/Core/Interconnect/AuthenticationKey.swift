package import Contract
import Crypto

extension ClusterKey {
    /// What a proof is for: one for another purpose is worthless.
    enum Purpose: String {
        case handshake = "vsmp interconnect handshake v2"
        case beacon = "vsmp interconnect beacon v1"
        case beat = "vsmp interconnect beat v1"
    }

    /// By HKDF-SHA256 (RFC 5869).
    ///
    /// - Parameter context: what else the key is bound to.
    func derived(for purpose: Purpose, _ context: [UInt8] = []) -> AuthenticationKey {
        AuthenticationKey(
            key: HKDF<SHA256>.deriveKey(
                inputKeyMaterial: SymmetricKey(data: secret), info: Array(purpose.rawValue.utf8) + context, outputByteCount: 32))
    }

    /// What proves a heartbeat from one start of a node to one start of another: bound to both instances, so that nothing recorded earlier, or on the way
    /// back, counts.
    package func beatKey(from sender: [UInt8], to receiver: [UInt8]) -> AuthenticationKey { derived(for: .beat, sender + receiver) }
}

/// HMAC-SHA256 (RFC 2104) with a key for one purpose.
package struct AuthenticationKey: Sendable {
    private let key: SymmetricKey
    /// What has hashed the key, once for all messages.
    private let keyed: HMAC<SHA256>
    static let codeLength = 32

    init(key: SymmetricKey) {
        self.key = key
        keyed = HMAC(key: key)
    }

    /// To derive others from; whoever takes them erases them.
    var bytes: [UInt8] { unsafe key.withUnsafeBytes { unsafe [UInt8]($0) } }

    func code(for message: [UInt8]) -> [UInt8] { Array(authenticated(message)) }

    /// Compares in constant time.
    func isValid(_ code: some Sequence<UInt8>, for message: [UInt8]) -> Bool {
        authenticated(message) == Array(code)
    }

    private func authenticated(_ message: [UInt8]) -> HMAC<SHA256>.MAC {
        var hash = keyed
        hash.update(data: message)
        return hash.finalize()
    }
}
