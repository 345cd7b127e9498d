import Contract
import Glibc
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Interconnect
@testable import Node

/// Rooms that beat and listen over real sockets on 127.0.0.1; a relay between two of them stands for the wire.
@Suite(.timeLimit(.minutes(1))) struct WatchRoomTests {
    /// Passes datagrams both ways between a node that sends to it and one that it sends to.
    private final class Relay: @unchecked Sendable {
        private let front: Socket, back: Socket
        private let target: SocketAddress
        /// How many datagrams more are lost.
        let drops = Atomic<Int>(0)
        private let isStopping = Atomic<Bool>(false)
        private var thread: SystemThread?

        init(to target: SocketAddress) throws {
            self.target = target
            front = try Socket.datagrams(at: try SocketAddress("127.0.0.1:0"))
            back = try Socket.datagrams(at: try SocketAddress("127.0.0.1:0"))
            thread = SystemThread("relay") { [self] in run() }
        }

        var address: SocketAddress { get throws { try front.localAddress() } }

        private func passes() -> Bool {
            guard drops.load(ordering: .relaxed) > 0 else { return true }
            drops.subtract(1, ordering: .relaxed)
            return false
        }

        private func run() {
            var client: SocketAddress?
            while !isStopping.load(ordering: .relaxed) {
                if case .datagram(let bytes, _, let from) = front.arrive(keeping: 512) {
                    client = from
                    if passes() { back.send(bytes, to: target) }
                } else if case .datagram(let bytes, _, _) = back.arrive(keeping: 512) {
                    if let client, passes() { front.send(bytes, to: client) }
                } else {
                    usleep(1000)
                }
            }
        }

        func stop() {
            isStopping.store(true, ordering: .relaxed)
            thread?.join()
        }
    }

    private final class Losses: Sendable {
        private let all = Mutex<[Watch.Loss]>([])
        func add(_ loss: Watch.Loss) { all.withLock { $0.append(loss) } }
        var first: Watch.Loss? { all.withLock { $0.first } }
    }

    private func identity(_ node: NodeIndex, of count: Int) throws -> NodeIdentity {
        var random = SystemRandomNumberGenerator()
        return try NodeIdentity(index: node, count: count, kit: "watch", firmwareHash: testHash, random: &random)
    }

    private func wait(_ what: Comment, _ isDone: () -> Bool) throws {
        for _ in 0..<20_000 where !isDone() { usleep(1000) }
        try #require(isDone(), what)
    }

    private func start(_ room: WatchRoom) -> Losses {
        let losses = Losses()
        room.start()
        room.judge(WatchRoom.Handlers(loss: { losses.add($0) }, beat: {}))
        return losses
    }

    /// The lower node learns from the first heartbeat where the higher one is. More than half of the outage is survived and counted; all of it is not.
    @Test func twoRoomsLiveThroughAnInterruption() throws {
        let ports = try freePorts(2)
        let (zero, one) = (try identity(0, of: 2), try identity(1, of: 2))
        let listen = try ports.map { try SocketAddress("127.0.0.1:\($0)") }
        let relay = try Relay(to: listen[0])
        defer { relay.stop() }
        let rooms = [
            try WatchRoom(zero, key: testKey, reach: .fixed(listen: listen[0], peers: [:]), outageSeconds: 2, say: { _ in }),
            try WatchRoom(one, key: testKey, reach: .fixed(listen: listen[1], peers: [0: try relay.address]), outageSeconds: 2, say: { _ in }),
        ]
        defer { for room in rooms { room.stop() } }
        rooms[0].expect(one, at: listen[1])
        rooms[1].expect(zero, at: listen[0])
        let losses = rooms.map(start)
        func heard(_ room: Int) -> UInt64 { rooms[room].account.peers[1 - room]?.heard ?? 0 }
        try wait("both hear each other") { heard(0) > 3 && heard(1) > 3 }
        // At 10 a second in each direction.
        relay.drops.store(28, ordering: .relaxed)
        try wait("the relay drops 28") { relay.drops.load(ordering: .relaxed) <= 0 }
        let before = (heard(0), heard(1))
        try wait("both hear each other again") { heard(0) > before.0 + 1 && heard(1) > before.1 + 1 }
        for room in 0..<2 {
            let account = rooms[room].account
            let figures = try #require(account.peers[1 - room])
            #expect(losses[room].first == nil)
            // A computer that is so busy that the rooms themselves stand still counts that instead.
            #expect(figures.nearMisses > 0 && figures.missing >= 8 || account.stops > 0, "\(figures)")
        }
        relay.drops.store(.max, ordering: .relaxed)
        try wait("both lose each other") { losses.allSatisfy { $0.first != nil } }
        for room in 0..<2 {
            guard case .node(NodeIndex(1 - room), .silentPair)? = losses[room].first else { Issue.record("\(String(describing: losses[room].first))"); return }
        }
    }

    /// A start that has ended leaves a host that refuses heartbeats; another start of the same node is not taken for it.
    @Test func aHostThatRefusesHeartbeatsHasLostItsNode() throws {
        let ports = try freePorts(2)
        let (zero, one) = (try identity(0, of: 2), try identity(1, of: 2))
        let listen = try ports.map { try SocketAddress("127.0.0.1:\($0)") }
        let survivor = try WatchRoom(zero, key: testKey, reach: .fixed(listen: listen[0], peers: [:]), outageSeconds: 60, say: { _ in })
        defer { survivor.stop() }
        survivor.expect(one, at: listen[1])
        let losses = start(survivor)
        do {
            let room = try WatchRoom(one, key: testKey, reach: .fixed(listen: listen[1], peers: [0: listen[0]]), outageSeconds: 60, say: { _ in })
            room.expect(zero, at: listen[0])
            _ = start(room)
            try wait("the survivor hears it") { (survivor.account.peers[1]?.heard ?? 0) > 3 }
            room.stop()
        }
        try wait("the refusal counts") { losses.first != nil }
        guard case .node(1, .refused)? = losses.first else { Issue.record("\(String(describing: losses.first))"); return }
    }
}
