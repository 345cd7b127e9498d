package import Contract

/// Why a node does not pool with a peer.
package enum Refusal: Error, Sendable, Equatable {
    /// The peer does not hold this kit's cluster key.
    case wrongKey
    /// The same, and the peer states another kit. It is told only that its key is wrong.
    case otherKit(mine: String, theirs: String)
    case protocolVersion(mine: UInt16, theirs: UInt16)
    case firmwareHash(mine: FirmwareHash, theirs: FirmwareHash)
    case kit(mine: String, theirs: String)
    case nodeCount(mine: Int, theirs: Int)
    case protection(mine: InterconnectProtection, theirs: InterconnectProtection)
    case link(mine: LinkKind, theirs: LinkKind)
    /// Another node already has this index; `holder` says where it is.
    case duplicateIndex(NodeIndex, holder: String)
    /// The peer's index or role is not the one that belongs on this connection.
    case unexpectedPeer(String)
    /// Not one of us: what it sent is no handshake.
    case malformed(String)
    /// It did not finish in time.
    case timeout
    /// The peer refused us, for the reason it gives (sanitised). `authenticated` when it had proved the cluster key.
    case byPeer(code: UInt8, text: String, authenticated: Bool)

    package var code: UInt8 {
        switch self {
        case .wrongKey: 1
        case .protocolVersion: 2
        case .firmwareHash: 3
        case .kit: 4
        case .nodeCount: 5
        case .duplicateIndex: 6
        case .unexpectedPeer: 7
        case .malformed: 8
        case .timeout: 9
        case .otherKit: 10
        case .protection: 11
        case .link: 12
        case .byPeer(let code, _, _): code
        }
    }

    /// Whether the two nodes do belong to one kit, so that only a person can mend it.
    package var isMismatch: Bool {
        switch self {
        case .firmwareHash, .kit, .nodeCount, .duplicateIndex, .protection, .link: true
        case .byPeer(let code, _, let authenticated): authenticated && ((3...6).contains(code) || code == 11 || code == 12)
        default: false
        }
    }

    /// One sentence that names both sides.
    /// - Parameters:
    ///   - me: this node, as in "node 0".
    ///   - peer: the other side, as in "node 1 at [fe80::1%eth0]:4000".
    package func message(me: String, peer: String) -> String { event(me: me, peer: peer).description }

    private func event(me: String, peer: String) -> ConsoleEvent {
        func refusal(_ why: String) -> ConsoleEvent { .refusal(by: me, of: peer, why: why) }
        return switch self {
        case .wrongKey: refusal("it does not hold this kit's cluster key; write both sticks with the same kit")
        case .otherKit(let mine, let theirs):
            refusal(
                "it does not hold this kit's cluster key, its stick says that it belongs to kit '\(theirs)', the stick of \(me) to "
                    + "kit '\(mine)'; give all boards sticks of one kit")
        case .protocolVersion(let mine, let theirs):
            refusal("it speaks protocol version \(theirs), \(me) speaks \(mine); give both the same firmware")
        case .firmwareHash(let mine, let theirs):
            refusal("it states firmware \(theirs.short), \(me) runs \(mine.short); write both sticks from the same image")
        case .kit(let mine, let theirs): refusal("its stick belongs to kit '\(theirs)', the stick of \(me) to kit '\(mine)'")
        case .nodeCount(let mine, let theirs): refusal("its stick says that the kit has \(theirs) nodes, the stick of \(me) says \(mine)")
        case .protection(let mine, let theirs):
            refusal(
                "its stick says interconnect=\(theirs.rawValue), the stick of \(me) interconnect=\(mine.rawValue); give both the same in machine.conf")
        case .link(let mine, let theirs):
            refusal(
                "\(theirs == .tcp ? "it" : me) has no InfiniBand or RoCE adapter in use, \(mine == .tcp ? "it" : me) has; "
                    + "give all boards the same interconnect")
        case .duplicateIndex(let index, let holder):
            refusal("both it and \(holder) claim to be node \(index); give every board its own stick")
        case .unexpectedPeer(let problem): refusal(problem)
        case .malformed(let problem): .refusal(by: me, of: "\(peer), a stranger on the interconnect", why: problem)
        case .timeout: refusal("it did not finish the handshake in time")
        case .byPeer(_, let text, let authenticated):
            .refusal(by: authenticated ? peer : "\(peer) (not authenticated)", of: "\(me), saying", why: text)
        }
    }
}
