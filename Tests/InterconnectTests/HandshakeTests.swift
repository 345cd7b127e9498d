import Contract
import TestSupport
import Testing

@testable import Interconnect

@Suite struct HandshakeTests {
    /// Two handshakes that talk to each other through memory, at most `chunk` bytes at a time.
    private struct Conversation {
        var dialer: Handshake
        var listener: Handshake
        var fromDialer: [UInt8] = []
        var fromListener: [UInt8] = []

        init(
            dialer: NodeIdentity = identity(1), dialerKey: ClusterKey = testKey, listener: NodeIdentity = identity(0),
            listenerKey: ClusterKey = testKey, role: ConnectionRole = .coherence
        ) {
            var random = SeededGenerator(seed: 42)
            self.dialer = Handshake(dialing: 0, role: role, as: dialer, key: dialerKey, random: &random)
            self.listener = Handshake(listeningAs: listener, key: listenerKey, random: &random)
        }

        mutating func run(chunk: Int = 1000, admit: Bool = true) {
            for _ in 0..<2000 {
                fromDialer += dialer.takeOutput()
                fromListener += listener.takeOutput()
                let toListener = Array(fromDialer.prefix(min(chunk, listener.bytesWanted)))
                let toDialer = Array(fromListener.prefix(min(chunk, dialer.bytesWanted)))
                fromDialer.removeFirst(toListener.count)
                fromListener.removeFirst(toDialer.count)
                listener.receive(toListener)
                dialer.receive(toDialer)
                if admit, case .awaitingAdmission = listener.state { listener.admit() }
            }
        }
    }

    private func refusal(_ state: Handshake.State) -> Refusal? {
        if case .refused(let refusal) = state { refusal } else { nil }
    }

    private func toldByPeer(_ state: Handshake.State, code: UInt8) -> Bool {
        if case .refused(.byPeer(code, _, _)) = state { true } else { false }
    }

    @Test(arguments: [1, 7, 1000]) func holdersOfOneKeyAgree(chunk: Int) {
        var both = Conversation()
        both.run(chunk: chunk)
        #expect(both.dialer.state == .established(identity(0), .coherence))
        #expect(both.listener.state == .established(identity(1), .coherence))
        let (dialer, listener) = (both.dialer.streamKeys, both.listener.streamKeys)
        #expect(dialer.send == listener.receive && dialer.receive == listener.send && dialer.send != dialer.receive)
    }

    @Test func wrongKeyIsRefusedOnBothSides() {
        var both = Conversation(dialerKey: otherKey)
        both.run()
        #expect(refusal(both.listener.state) == .wrongKey)
        #expect(toldByPeer(both.dialer.state, code: Refusal.wrongKey.code))
        #expect(!both.listener.peerIsAuthenticated && !both.dialer.peerIsAuthenticated)
    }

    @Test func otherFirmwareIsNamedOnBothSides() {
        var both = Conversation(dialer: identity(1, hash: otherHash))
        both.run()
        #expect(refusal(both.dialer.state) == .firmwareHash(mine: otherHash, theirs: testHash))
        #expect(refusal(both.listener.state) == .firmwareHash(mine: testHash, theirs: otherHash))
        let message = refusal(both.listener.state)?.message(me: "node 0", peer: "node 1 at here") ?? ""
        #expect(message.contains("node 0") && message.contains("node 1 at here"))
        #expect(message.contains("5a5a5a5a5a5a") && message.contains("a5a5a5a5a5a5"))
    }

    @Test func otherKitOtherCountAndWrongNodeAreRefused() {
        var kits = Conversation(dialer: identity(1, kit: "kit-2"))
        kits.run()
        #expect(refusal(kits.listener.state) == .kit(mine: "kit-1", theirs: "kit-2"))
        var counts = Conversation(dialer: identity(1, of: 3))
        counts.run()
        #expect(refusal(counts.dialer.state) == .nodeCount(mine: 3, theirs: 2))
        var same = Conversation(dialer: identity(0, seed: 5))
        same.run()
        #expect(refusal(same.listener.state)?.code == Refusal.duplicateIndex(0, holder: "").code)
        var swapped = Conversation(dialer: identity(2, of: 3), listener: identity(1, of: 3))
        swapped.run()
        #expect(refusal(swapped.dialer.state)?.code == Refusal.unexpectedPeer("").code)
    }

    @Test func mismatchIsNotRevealedToWhoeverLacksTheKey() {
        var both = Conversation(dialer: identity(1, hash: otherHash), dialerKey: otherKey)
        both.run()
        #expect(refusal(both.listener.state) == .wrongKey)
    }

    /// Each says on its own console to which kits the two sticks belong; on the wire it is a wrong key.
    @Test func sticksOfDifferentKitsRefuseEachOtherByName() {
        var both = Conversation(dialer: identity(1, kit: "kit-2"), dialerKey: otherKey)
        both.run()
        #expect(refusal(both.listener.state) == .otherKit(mine: "kit-1", theirs: "kit-2"))
        #expect(refusal(both.dialer.state) == .otherKit(mine: "kit-2", theirs: "kit-1"))
        let said = refusal(both.dialer.state)?.message(me: "node 1", peer: "node 0") ?? ""
        #expect(said.contains("kit-1") && said.contains("kit-2"))
    }

    @Test func anotherProtocolVersionIsToldBothVersions() {
        var random = SeededGenerator(seed: 1)
        var listener = Handshake(listeningAs: identity(0), key: testKey, random: &random)
        listener.receive(HandshakeMessage.encode(.hello, version: 7, [UInt8](repeating: 0, count: 99)))
        #expect(refusal(listener.state) == .protocolVersion(mine: 3, theirs: 7))
        let answer = listener.takeOutput()
        var dialer = Handshake(dialing: 0, role: .control, as: identity(1), key: testKey, random: &random)
        dialer.receive(HandshakeMessage.encode(.hello, version: 7, []))
        #expect(refusal(dialer.state) == .protocolVersion(mine: 3, theirs: 7))
        #expect(HandshakeMessage.Prefix(answer)?.kind == HandshakeMessage.Kind.hello.rawValue)
        let helloLength = HandshakeMessage.Prefix.byteCount + 32 + FirmwareHash.byteCount + NodeIdentity.instanceLength + 6 + HandshakeMessage.Hello.kitLength + 32
        #expect(HandshakeMessage.Prefix(Array(answer.dropFirst(helloLength)))?.code == 2)
    }

    /// A relay that speaks in a proved peer's name, or alters its verdict, ends that handshake and nothing else.
    @Test func aVerdictWithoutItsCodeIsNotThePeers() {
        for (kind, code) in [(HandshakeMessage.Kind.refusal, UInt8(3)), (.accept, 0)] {
            var both = Conversation()
            both.run(admit: false)
            both.fromListener = HandshakeMessage.encode(kind, code: code, [UInt8](repeating: 0x41, count: 40))
            both.run()
            let refusal = refusal(both.dialer.state)
            #expect(refusal != nil && refusal?.isMismatch == false, "\(both.dialer.state)")
        }
    }

    @Test func aNodeWithoutAnAdapterIsRefusedByNameOnBothConsoles() {
        var both = Conversation(dialer: identity(1, link: .verbs))
        both.run()
        #expect(refusal(both.dialer.state) == .link(mine: .verbs, theirs: .tcp))
        #expect(refusal(both.listener.state) == .link(mine: .tcp, theirs: .verbs))
        let words = refusal(both.dialer.state)?.message(me: "node 1", peer: "node 0") ?? ""
        #expect(words.contains("it has no InfiniBand or RoCE adapter in use, node 1 has; give all boards the same interconnect"))
        let other = refusal(both.listener.state)?.message(me: "node 0", peer: "node 1") ?? ""
        #expect(other.contains("node 0 has no InfiniBand or RoCE adapter in use, it has"))
        #expect(Refusal.link(mine: .tcp, theirs: .verbs).isMismatch && Refusal.byPeer(code: 12, text: "", authenticated: true).isMismatch)
    }

    @Test func aPeersRefusalIsKnownByItsCode() {
        var both = Conversation(dialer: identity(1, protection: .authenticated))
        both.run()
        #expect(refusal(both.dialer.state) == .protection(mine: .authenticated, theirs: .encrypted))
        #expect(refusal(both.listener.state) == .protection(mine: .encrypted, theirs: .authenticated))
        let said = refusal(both.listener.state)?.message(me: "node 0", peer: "node 1") ?? ""
        #expect(said.contains("interconnect=authenticated") && said.contains("interconnect=encrypted"))
        var late = Conversation()
        late.run(admit: false)
        late.listener.refuse(.duplicateIndex(1, holder: "the board at here"))
        late.run()
        guard case .byPeer(6, let text, true)? = refusal(late.dialer.state) else { return #expect(Bool(false), "\(late.dialer.state)") }
        #expect(text.contains("the board at here") && text.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    }

    @Test func echoedBytesProveNothing() {
        var random = SeededGenerator(seed: 1)
        var dialer = Handshake(dialing: 0, role: .control, as: identity(1), key: testKey, random: &random)
        dialer.receive(dialer.takeOutput())
        #expect(refusal(dialer.state)?.code == Refusal.malformed("").code)
    }

    /// An attacker without the key relays a node's own messages back to it over a second connection.
    @Test func reflectedProofIsRefused() {
        var random = SeededGenerator(seed: 1)
        var victim = Handshake(dialing: 0, role: .control, as: identity(1), key: testKey, random: &random)
        // A hello that differs in its nonce only, as the attacker may choose it.
        var forged = victim.takeOutput()
        forged[HandshakeMessage.Prefix.byteCount] ^= 1
        victim.receive(forged)
        let proof = victim.takeOutput()
        #expect(HandshakeMessage.Prefix(proof)?.kind == HandshakeMessage.Kind.proof.rawValue)
        victim.receive(proof)
        #expect(refusal(victim.state) == .wrongKey)
    }

    @Test func aRecordedConversationCannotBeReplayed() {
        var both = Conversation()
        both.fromDialer = both.dialer.takeOutput()
        let hello = both.fromDialer
        both.listener.receive(hello)
        both.dialer.receive(both.listener.takeOutput())
        let proof = both.dialer.takeOutput()
        var random = SeededGenerator(seed: 77)
        var later = Handshake(listeningAs: identity(0), key: testKey, random: &random)
        later.receive(hello)
        later.receive(proof)
        #expect(refusal(later.state) == .wrongKey)
    }

    /// Names that no kit can have are refused before they are sent, and when a peer sends them.
    @Test(arguments: ["", "two words", String(repeating: "k", count: 33), String(repeating: "k", count: 64), "kit_1", "k\u{e9}"])
    func aKitsNameIsWhatTheDeskAllows(name: String) throws {
        var random = SeededGenerator(seed: 1)
        #expect(throws: InterconnectError.self) { try NodeIdentity(index: 0, count: 2, kit: name, firmwareHash: testHash, random: &random) }
        let hello = HandshakeMessage.Hello(nonce: [UInt8](repeating: 1, count: 32), publicKey: [UInt8](repeating: 9, count: 32), identity: identity(1), role: .control)
        #expect(HandshakeMessage.Hello(hello.bytes) == hello)
        var bytes = hello.bytes
        let text = Array(name.utf8)
        bytes.replaceSubrange(84..<149, with: [UInt8(text.count)] + text + [UInt8](repeating: 0, count: 64 - text.count))
        #expect(bytes.count == hello.bytes.count && HandshakeMessage.Hello(bytes) == nil)
    }

    @Test func peersTextIsPrintableAndBounded() {
        var random = SeededGenerator(seed: 1)
        var dialer = Handshake(dialing: 0, role: .control, as: identity(1), key: testKey, random: &random)
        dialer.receive(
            HandshakeMessage.encode(
                .refusal, code: 1, Array("\u{1B}[31mred\n".utf8) + [UInt8](repeating: 0xFF, count: 400)))
        guard case .refused(.byPeer(1, let text, false)) = dialer.state else {
            Issue.record("\(dialer.state)")
            return
        }
        #expect(text.utf8.count == HandshakeMessage.maximumRefusalText)
        #expect(text.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    }

    @Test func everySingleBitOfAHelloCounts() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<200 {
            var both = Conversation()
            var hello = both.dialer.takeOutput()
            let bit = Int.random(in: 0..<hello.count * 8, using: &random)
            hello[bit / 8] ^= 1 << UInt8(bit % 8)
            both.fromDialer = hello
            both.run()
            let listenerAgreed = if case .established = both.listener.state { true } else { false }
            let dialerAgreed = if case .established = both.dialer.state { true } else { false }
            #expect(!listenerAgreed && !dialerAgreed, "bit \(bit)")
        }
    }

    @Test func messagesOutOfTurnAndRandomBytesAreRefused() {
        var random = SeededGenerator(seed: 9)
        var listener = Handshake(listeningAs: identity(0), key: testKey, random: &random)
        listener.receive(HandshakeMessage.encode(.accept, []))
        #expect(refusal(listener.state)?.code == Refusal.malformed("").code)
        for _ in 0..<500 {
            HandshakeStream.exercise(randomBytes(Int.random(in: 0...300, using: &random), &random))
        }
    }

    @Test func keysAreReadFromHexadecimalTextOnly() {
        let digits = String(repeating: "0aF9", count: 16)
        #expect(ClusterKey(hexadecimal: " \(digits)\n".utf8) != nil)
        #expect(ClusterKey(hexadecimal: digits.dropLast(2).utf8) == nil)
        #expect(ClusterKey(hexadecimal: (digits.dropLast() + "g").utf8) == nil)
        #expect(ClusterKey(hexadecimal: (digits + "00").utf8) == nil)
        #expect(FirmwareHash(hexadecimal: digits)?.description == digits.lowercased())
    }
}
