import Contract
import Crypto
import Platform

/// One side's secret of one handshake (X25519, RFC 7748). It is gone when the handshake is: who learns the cluster key later cannot open what was
/// recorded.
struct EphemeralSecret: Sendable {
    static let publicKeyLength = 32
    private let key: Curve25519.KeyAgreement.PrivateKey

    init(random: inout some RandomNumberGenerator) {
        // The key overwrites its own copy when it is freed. Nothing else has the scalar: an array that grows would leave pieces.
        var scalar = [UInt8](repeating: 0, count: 32)
        defer { scalar.erase() }
        for word in stride(from: 0, to: scalar.count, by: 8) {
            let number = random.next()
            for byte in 0..<8 { scalar[word + byte] = UInt8(truncatingIfNeeded: number >> UInt64(8 * byte)) }
        }
        do { key = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: scalar) } catch { preconditionFailure("32 bytes are an X25519 key") }
    }

    var publicKey: [UInt8] { Array(key.publicKey.rawRepresentation) }

    /// The secret shared with the holder of `publicKey`; nil when that is none of a proper key (RFC 7748, 6.1: the result is all zeros).
    func shared(with publicKey: [UInt8]) -> SharedSecret? {
        guard let other = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: publicKey) else { return nil }
        guard let shared = try? key.sharedSecretFromKeyAgreement(with: other),
            unsafe shared.withUnsafeBytes({ unsafe $0.reduce(0, |) }) != 0
        else { return nil }
        return shared
    }
}

/// Everything that is derived in one handshake: HKDF-SHA256 (RFC 5869) of the X25519 secret, salted with the key derived from the cluster key, for a
/// purpose and the SHA-256 of both hellos. Who lacks the cluster key, or both ephemeral secrets, has none of it.
struct KeySchedule: Sendable {
    private enum Purpose: String {
        case proof = "vsmp interconnect v2 proof by "
        case verdict = "vsmp interconnect v2 verdict by "
        case frames = "vsmp interconnect v2 frames of "
    }

    private let shared: SharedSecret
    private let salt: AuthenticationKey
    private let transcript: [UInt8]

    init(_ shared: SharedSecret, salt: AuthenticationKey, dialerHello: [UInt8], listenerHello: [UInt8]) {
        self.shared = shared
        self.salt = salt
        transcript = Array(SHA256.hash(data: dialerHello + listenerHello))
    }

    func proof(by side: Handshake.Side) -> [UInt8] { authentication(.proof, side).code(for: transcript) }

    func isProof(_ code: [UInt8], by side: Handshake.Side) -> Bool { authentication(.proof, side).isValid(code, for: transcript) }

    /// What makes an accept or a refusal, as it stands before its code, one that `side` sent.
    func code(for verdict: [UInt8], by side: Handshake.Side) -> [UInt8] { authentication(.verdict, side).code(for: verdict) }

    func isCode(_ code: some Sequence<UInt8>, for verdict: [UInt8], by side: Handshake.Side) -> Bool {
        authentication(.verdict, side).isValid(code, for: verdict)
    }

    func streamKeys(of side: Handshake.Side, _ protection: InterconnectProtection) -> StreamKeys {
        StreamKeys(send: derive(.frames, side), receive: derive(.frames, side.other), protection: protection)
    }

    private func authentication(_ purpose: Purpose, _ side: Handshake.Side) -> AuthenticationKey { AuthenticationKey(key: derive(purpose, side)) }

    private func derive(_ purpose: Purpose, _ side: Handshake.Side) -> SymmetricKey {
        var salt = salt.bytes
        defer { salt.erase() }
        return shared.hkdfDerivedSymmetricKey(
            using: SHA256.self, salt: salt, sharedInfo: Array((purpose.rawValue + side.rawValue).utf8) + [0] + transcript, outputByteCount: 32)
    }
}

/// The keys of one TCP stream, for one of its ends: one for each direction, used for nothing else. They overwrite their memory when it is freed.
package struct StreamKeys: Sendable {
    let send: SymmetricKey
    let receive: SymmetricKey
    let protection: InterconnectProtection
}

extension StreamKeys {
    /// What proves the data of the queue pairs that are to carry the stream: of this end, and of the other.
    var queuePairCodes: (send: AuthenticationKey, receive: AuthenticationKey) {
        func derived(_ key: SymmetricKey) -> AuthenticationKey {
            AuthenticationKey(
                key: HKDF<SHA256>.deriveKey(inputKeyMaterial: key, info: Array("vsmp interconnect v3 queue pair".utf8), outputByteCount: 32))
        }
        return (derived(send), derived(receive))
    }

    /// Of bytes that are no secret, for tests and fuzzing.
    init(send: [UInt8], receive: [UInt8], protection: InterconnectProtection) {
        self.init(send: SymmetricKey(data: send), receive: SymmetricKey(data: receive), protection: protection)
    }
}
