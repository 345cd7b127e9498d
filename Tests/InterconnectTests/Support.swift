import Bytes
import Contract
import Platform
import Glibc
import TestSupport
import Testing

@testable import Interconnect

func identity(
    _ index: NodeIndex, of count: Int = 2, kit: String = "kit-1", hash: FirmwareHash = testHash,
    holdings: [FirmwareHolding] = [], protection: InterconnectProtection = .encrypted, link: LinkKind = .tcp, seed: UInt64? = nil
) -> NodeIdentity {
    var random = SeededGenerator(seed: seed ?? UInt64(index.rawValue) + 100)
    do {
        return try NodeIdentity(index: index, count: count, kit: kit, firmwareHash: hash, holdings: holdings, protection: protection, link: link, random: &random)
    } catch {
        preconditionFailure("\(error)")
    }
}

/// A beacon of `who` that returns what it heard of others; nothing is heard of a recording.
func beacon(
    _ who: NodeIdentity, key: ClusterKey = testKey, port: UInt16 = 4000, sequence: UInt64 = 1, challenge: UInt64 = 1, heard: [NodeIndex: UInt64] = [:]
) -> [UInt8] {
    let echoes = NodeIndex.all(of: who.count).map { heard[$0] ?? 0 }
    return Beacon(identity: who, tcpPort: port, sequence: sequence, isComplete: false, challenge: challenge, echoes: echoes).encoded(with: key.derived(for: .beacon))
}

extension PeerTable {
    /// What this node's next beacon asks.
    mutating func nextChallenge(now: UInt64 = 0, key: ClusterKey = testKey) -> UInt64 {
        var random = SeededGenerator(seed: now + 7)
        let bytes = announcement(tcpPort: 1, sequence: 1, isComplete: false, now: now, random: &random)
        do { return try Beacon(bytes, key: key.derived(for: .beacon)).challenge } catch { preconditionFailure("\(error)") }
    }
}

/// Two connections joined to each other.
struct ConnectionPair: ~Copyable {
    var near: Connection
    var far: Connection

    init(_ role: ConnectionRole, sendCapacity: Int = Connection.defaultRingCapacity) throws {
        let pair = socketPair()
        let near = try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: role, sendCapacity: sendCapacity)
        let far = try Connection(adopting: Socket(adopting: pair.1), peer: 0, role: role, sendCapacity: sendCapacity)
        self.near = near
        self.far = far
    }

    /// Moves what waits from near to far, hands over each frame that arrives there, and brings back what far acknowledges.
    mutating func carry(_ taken: (ReceivedFrame) -> Void) throws {
        _ = near.fill()
        while try near.nextFrame() != nil { Issue.record("far has sent a frame") }
        _ = near.flush()
        _ = far.fill()
        while let frame = try far.nextFrame() { taken(frame) }
        _ = far.flush()
    }
}

/// A TCP port on 127.0.0.1 that was free a moment ago.
func freePort() throws -> UInt16 {
    let socket = try Socket.listening(at: SocketAddress("127.0.0.1:0"))
    return try socket.localAddress().port
}

extension FrameHeader {
    /// The header as it stands on the wire.
    var bytes: [UInt8] {
        let words = FrameHeader.words(firstWord: firstWord, record: record, due: due)
        return words.0.bytes() + words.1.bytes() + words.2.bytes()
    }
}
