import Contract
import Platform
import TestSupport
import Testing

@testable import Interconnect

/// Gatherings of one kit over a network without delay, in virtual time.
private struct VirtualKit {
    struct Board {
        var gathering: Gathering
        var host: SocketAddress
        var said: [String] = []
        var joined = false
        var failure: MeshError?
        var startedAnew: Set<NodeIndex> = []
        /// Streams handed over, by peer.
        var delivered: [Gathering.PeerStream] = []
    }

    private struct End: Hashable {
        var board: Int
        var id: StreamID
    }

    var boards: [Board] = []
    var now: UInt64 = 1_000_000_000
    /// Boards without power.
    var dead: Set<Int> = []
    var recorded: [(bytes: [UInt8], from: SocketAddress)] = []
    private var other: [End: End] = [:]
    private var accepted: UInt64 = 0
    private var random = SeededGenerator(seed: 4)

    static func host(_ number: Int) -> SocketAddress { .ipv6(high: 0xFE80 << 48, low: UInt64(number + 1), port: 0, scope: 2) }

    /// - Returns: the board's number.
    @discardableResult
    mutating func plug(_ identity: NodeIdentity, host: SocketAddress? = nil) -> Int {
        let configuration = MeshConfiguration(identity: identity, key: testKey, reach: .discovery(interface: "virtual"))
        let board = boards.count
        boards.append(Board(gathering: Gathering(configuration, now: now), host: host ?? Self.host(board)))
        feed(board, .listening(boards[board].host.with(port: UInt16(5000 + board))))
        return board
    }

    mutating func run(seconds: Double) {
        let end = now + UInt64(seconds * 1e9)
        while now < end {
            now += 50_000_000
            for board in boards.indices { feed(board, .tick) }
        }
    }

    mutating func feed(_ board: Int, _ input: Gathering.Input) {
        guard !dead.contains(board), boards[board].failure == nil else { return }
        for effect in boards[board].gathering.handle(input, now: now, random: &random) { perform(effect, board) }
    }

    mutating func play(_ recording: (bytes: [UInt8], from: SocketAddress), to board: Int) { feed(board, .datagram(recording.bytes, from: recording.from)) }

    private mutating func perform(_ effect: Gathering.Effect, _ board: Int) {
        switch effect {
        case .announce(let bytes):
            let from = boards[board].host.with(port: BeaconGroup.port)
            recorded.append((bytes, from))
            for receiver in boards.indices { feed(receiver, .datagram(bytes, from: from)) }
        case .connect(let id, let address):
            let target = boards.indices.last { boards[$0].host.with(port: UInt16(5000 + $0)) == address && !dead.contains($0) && boards[$0].failure == nil }
            guard let target else { return feed(board, .unreachable(id)) }
            accepted += 1
            let (near, far) = (End(board: board, id: id), End(board: target, id: .accepted(accepted)))
            other[near] = far
            other[far] = near
            feed(target, .accepted(far.id, from: boards[board].host.with(port: 9)))
            feed(board, .connected(id))
        case .send(let id, let bytes):
            guard let far = other[End(board: board, id: id)] else { return }
            var rest = bytes[...]
            while !rest.isEmpty {
                let wanted = boards[far.board].gathering.bytesWanted(far.id)
                guard wanted > 0 else { return }
                feed(far.board, .bytes(far.id, Array(rest.prefix(wanted))))
                rest = rest.dropFirst(wanted)
            }
        case .finish: break
        case .hangUp(let id):
            guard let far = other.removeValue(forKey: End(board: board, id: id)) else { return }
            other[far] = nil
            feed(far.board, .ended(far.id))
        case .deliver(_, let stream): boards[board].delivered.append(stream)
        case .say(let line): boards[board].said.append(line)
        case .startedAnew(let peer): boards[board].startedAnew.insert(peer)
        case .joined: boards[board].joined = true
        case .failed(let error): boards[board].failure = error
        }
    }
}

@Suite struct GatheringTests {
    @Test(arguments: [2, 3, 16]) func everyNodeJoins(count: Int) {
        var kit = VirtualKit()
        for node in NodeIndex.all(of: count) { kit.plug(identity(node, of: count)) }
        kit.run(seconds: 2)
        #expect(kit.boards.allSatisfy { $0.joined && $0.delivered.count == 2 * (count - 1) }, "\(kit.boards.map(\.said))")
    }

    /// A board loses its power while the others wait for one more, and comes back.
    @Test(arguments: [0, 1, 2]) func aBoardThatComesBackTakesThePlaceOfItsCorpse(board: Int) {
        var kit = VirtualKit()
        for node in [0, 1, 2] as [NodeIndex] { kit.plug(identity(node, of: 4)) }
        kit.run(seconds: 2)
        kit.dead.insert(board)
        let again = kit.plug(identity(NodeIndex(board), of: 4, seed: 77), host: VirtualKit.host(board))
        kit.plug(identity(3, of: 4))
        kit.run(seconds: 3)
        for (number, one) in kit.boards.enumerated() where number != board {
            #expect(one.joined && one.failure == nil, "board \(number): \(one.said)")
            guard number != again else { continue }
            let last = one.delivered.last { $0.peer.index == NodeIndex(board) }
            #expect(last?.peer.instance == kit.boards[again].gathering.me.instance, "board \(number) has the corpse: \(one.said)")
        }
    }

    /// An address that says nothing is dialled again at once when it may be there again, not when TCP tries again.
    @Test func anUnansweredDialIsGivenUpSoon() {
        var random = SeededGenerator(seed: 1)
        let peers: [NodeIndex: SocketAddress] = [0: .ipv4(1, port: 1)]
        var gathering = Gathering(MeshConfiguration(identity: identity(1, of: 2), key: testKey, reach: .fixed(listen: .ipv4(2, port: 2), peers: peers)), now: 0)
        var dials: [UInt64] = []
        for round in UInt64(0)...40 {
            for effect in gathering.handle(.tick, now: round * 50_000_000, random: &random) { if case .connect = effect { dials.append(round * 50_000_000) } }
        }
        #expect(dials.count >= 6 && zip(dials, dials.dropFirst()).allSatisfy { $1 - $0 <= 600_000_000 }, "\(dials)")
    }

    @Test func nobodyStartsWithACorpse() {
        var kit = VirtualKit()
        for node in [0, 1, 2] as [NodeIndex] { kit.plug(identity(node, of: 4)) }
        kit.run(seconds: 2)
        kit.dead.insert(1)
        kit.plug(identity(3, of: 4))
        kit.run(seconds: 12)
        for number in [0, 2, 3] {
            #expect(!kit.boards[number].joined, "board \(number)")
            #expect(kit.boards[number].said.last?.contains("still waits for node 1") == true, "\(kit.boards[number].said)")
        }
        #expect(kit.boards[0].said.contains("node 1 has fallen silent; waiting for it"))
    }

    /// What came while it stood still is heard before it finds out that it did; nobody was silent meanwhile.
    @Test func aBoardThatStoodStillGoesOn() {
        var kit = VirtualKit()
        for node in [0, 1] as [NodeIndex] { kit.plug(identity(node, of: 3)) }
        kit.run(seconds: 2)
        kit.now += 7_000_000_000
        kit.feed(1, .tick)
        kit.feed(0, .tick)
        kit.run(seconds: 1)
        #expect(!kit.boards[0].said.contains { $0.contains("fallen silent") })
        kit.plug(identity(2, of: 3))
        kit.run(seconds: 2)
        #expect(kit.boards.allSatisfy({ $0.joined }), "\(kit.boards.map(\.said))")
    }

    /// What an earlier start of this very board, and of a peer, sent is played back for ever.
    @Test func recordingsStopNobody() {
        var kit = VirtualKit()
        let old = [kit.plug(identity(0, of: 2, seed: 5)), kit.plug(identity(1, of: 2, seed: 6), host: VirtualKit.host(9))]
        kit.run(seconds: 3)
        kit.dead.formUnion(old)
        let tape = kit.recorded
        let fresh = [kit.plug(identity(0, of: 2)), kit.plug(identity(1, of: 2))]
        for recording in tape {
            for board in fresh { kit.play(recording, to: board) }
            kit.run(seconds: 0.1)
        }
        kit.run(seconds: 2)
        for board in fresh { #expect(kit.boards[board].joined && kit.boards[board].failure == nil, "\(kit.boards[board].said)") }
    }

    @Test func twoBoardsWithOneStickStopOnceTheyHaveProvedTheKey() {
        var kit = VirtualKit()
        let twins = [kit.plug(identity(0, of: 3)), kit.plug(identity(0, of: 3, seed: 50))]
        kit.run(seconds: 4)
        for board in twins {
            guard case .refused(.duplicateIndex(0, _), let message)? = kit.boards[board].failure else {
                Issue.record("board \(board): \(String(describing: kit.boards[board].failure)); \(kit.boards[board].said)")
                continue
            }
            #expect(message.contains("fe80::"))
        }
    }

    /// Interrupted streams come back; another start of a peer's board, and a rival, do not come in and stop nobody. That a board starts anew is seen.
    @Test func aSettledMachineIsDisturbedByNobody() {
        var kit = VirtualKit()
        for node in NodeIndex.all(of: 3) { kit.plug(identity(node, of: 3)) }
        kit.run(seconds: 2)
        for (board, peer) in [(1, 2), (2, 1)] as [(Int, NodeIndex)] { kit.feed(board, .interrupted(peer, .coherence)) }
        kit.plug(identity(1, of: 3, seed: 90), host: VirtualKit.host(1))
        kit.plug(identity(0, of: 3, seed: 91))
        kit.run(seconds: 6)
        for board in 0..<3 {
            #expect(kit.boards[board].joined && kit.boards[board].failure == nil, "\(kit.boards[board].said)")
            #expect(kit.boards[board].delivered.count == (board == 0 ? 4 : 5), "\(kit.boards[board].said)")
        }
        #expect(kit.boards[3].said.contains { $0.contains("the machine runs with an earlier start of node 1") }, "\(kit.boards[3].said)")
        #expect(!kit.boards[3].joined && !kit.boards[4].joined)
        // The rival of node 0 has a board of its own.
        for board in [0, 2] { #expect(kit.boards[board].startedAnew == [1]) }
    }
}
