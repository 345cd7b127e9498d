import Bytes
import Contract
import Crypto
import TestSupport
import Testing

@testable import Interconnect

@Suite struct KeyScheduleTests {
    /// The same bytes each time: X25519 takes any.
    private struct Constant: RandomNumberGenerator {
        let byte: UInt8
        mutating func next() -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }
    }

    private func bytes(_ key: SymmetricKey) -> [UInt8] { unsafe key.withUnsafeBytes { unsafe [UInt8]($0) } }

    private func secret(_ byte: UInt8) -> EphemeralSecret {
        var random = Constant(byte: byte)
        return EphemeralSecret(random: &random)
    }

    private func schedule(_ mine: UInt8, _ theirs: UInt8, key: ClusterKey, listenerHello: String = "hello of the listener") throws -> KeySchedule {
        KeySchedule(
            try #require(secret(mine).shared(with: secret(theirs).publicKey)), salt: key.derived(for: .handshake),
            dialerHello: Array("hello of the dialer".utf8), listenerHello: Array(listenerHello.utf8))
    }

    /// The figures come from another implementation: HMAC and SHA-256 of Python's standard library, X25519 written down from RFC 7748, HKDF from
    /// RFC 5869, with the labels of docs/interconnect.md.
    @Test func theKeyScheduleIsTheDocumentedOne() throws {
        let key = try #require(ClusterKey(bytes: [UInt8](0..<32)))
        #expect(Hexadecimal.encode(secret(0x11).publicKey) == "7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13")
        for (mine, theirs) in [(0x11, 0x22), (0x22, 0x11)] as [(UInt8, UInt8)] {
            let schedule = try schedule(mine, theirs, key: key)
            #expect(Hexadecimal.encode(schedule.proof(by: .dialer)) == "8ea119c33bc9aa21d0948d95b85d9e4e17c78591c5d42cc06b76aebee6ad73da")
            #expect(
                Hexadecimal.encode(schedule.code(for: [3] + Array("why".utf8), by: .listener))
                    == "1a14910947adb9bd2880b855cb7b0159e5f9ba635f519c9eaa24a9e2d9c978c5")
            let keys = schedule.streamKeys(of: .dialer, .encrypted)
            #expect(Hexadecimal.encode(bytes(keys.send)) == "55e68dfadb85b4daa739aaed02f1892e41cc29202e37e23fbe213eddd6228edd")
            #expect(Hexadecimal.encode(bytes(keys.receive)) == "07cbdc2200e2bc3f3fc05f663dc9be58e3520cc610f3423383c193b9f0bfaa59")
        }
    }

    /// Whoever has the recording, both hellos and the cluster key still lacks what only the two ends had: another ephemeral secret gives other
    /// keys, and so does another cluster key or another hello.
    @Test func keysDependOnTheEphemeralSecretTheClusterKeyAndTheHellos() throws {
        let key = try #require(ClusterKey(bytes: [UInt8](0..<32)))
        let other = try #require(ClusterKey(bytes: [UInt8](1...32)))
        let keys = try [
            schedule(0x11, 0x22, key: key), schedule(0x12, 0x22, key: key), schedule(0x11, 0x23, key: key), schedule(0x11, 0x22, key: other),
            schedule(0x11, 0x22, key: key, listenerHello: "hello of the listeneR"),
        ].flatMap { [bytes($0.streamKeys(of: .dialer, .encrypted).send), bytes($0.streamKeys(of: .dialer, .encrypted).receive), $0.proof(by: .dialer)] }
        #expect(Set(keys).count == keys.count)
    }

    /// Two handshakes of the same nodes with the same cluster key and the same nonces, but for the ephemeral secrets, have nothing in common.
    @Test func aHandshakeDrawsAnEphemeralSecretOfItsOwn() {
        var random = SeededGenerator(seed: 4)
        var hellos: Set<[UInt8]> = []
        for _ in 0..<20 {
            var dialer = Handshake(dialing: 0, role: .control, as: identity(1), key: testKey, random: &random)
            hellos.insert(Array(dialer.takeOutput().suffix(EphemeralSecret.publicKeyLength)))
        }
        #expect(hellos.count == 20)
    }

    @Test func anX25519KeyThatSharesNothingIsRefused() {
        #expect(secret(1).shared(with: [UInt8](repeating: 0, count: 32)) == nil)
        #expect(secret(1).shared(with: [UInt8](repeating: 0, count: 31)) == nil)
    }

    /// A record as swift-crypto's own AES-GCM opens it: header as associated data, the record's number as nonce.
    @Test func recordsAreAESGCM() throws {
        let bytes = [UInt8](0..<32)
        let record = (0..<100).map { UInt8($0) }
        for (protection, clear) in [(InterconnectProtection.encrypted, 24), (.authenticated, 100)] {
            let key = SealingKey(SymmetricKey(data: bytes), protection)
            var sealed = [UInt8](repeating: 0, count: record.count + SealingKey.tagLength)
            unsafe record.withUnsafeBytes { record in
                unsafe sealed.withUnsafeMutableBytes {
                    unsafe key.seal(record, headerLength: 24, number: 0x0102_0304_0506_0708, into: $0.baseAddress!)
                }
            }
            let box = try AES.GCM.SealedBox(
                nonce: AES.GCM.Nonce(data: [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8] as [UInt8]), ciphertext: sealed[clear..<100], tag: sealed[100...])
            let opened = try AES.GCM.open(box, using: SymmetricKey(data: bytes), authenticating: sealed[..<clear])
            #expect(Array(sealed[..<clear]) + opened == record)
            for number in [0x0102_0304_0506_0708, 1] as [UInt64] {
                var copy = sealed
                let isOpen = unsafe copy.withUnsafeMutableBytes { unsafe key.open($0, headerLength: 24, number: number) }
                #expect(isOpen == (number != 1) && (!isOpen || Array(copy[..<100]) == record))
            }
        }
    }
}
