import Contract
import Coherence
import Glibc
import Machine
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Interconnect
@testable import Node

/// What a node may not say, or not unasked, is its loss.
@Suite struct PeerViolationTests {
    /// Control links of node 0, and the other ends.
    private static func links(_ count: Int) throws -> (links: [ControlLink?], peers: [SharedConnection]) {
        var links: [ControlLink?] = [nil]
        var peers: [SharedConnection] = []
        for index in 1..<count {
            let (near, far) = socketPair()
            let link = ControlLink(try Connection(adopting: Socket(adopting: near), peer: NodeIndex(index), role: .control), peer: NodeIndex(index))
            let peer = SharedConnection(try Connection(adopting: Socket(adopting: far), peer: 0, role: .control))
            // Nothing is sent before the other end has said what it waits for.
            _ = link.fill()
            _ = try link.nextMessage()
            _ = peer.kinds()
            links.append(link)
            peers.append(peer)
        }
        return (links, peers)
    }

    private final class SharedConnection: Sendable {
        private let connection: Mutex<Connection>
        init(_ connection: consuming Connection) { self.connection = Mutex(connection) }

        func send(_ message: ControlMessage) {
            connection.withLock { connection in
                let frame = message.frame
                _ = connection.enqueue(frame.kind, body: frame.body, payload: frame.payload)
                _ = connection.flush()
            }
        }

        /// The kinds of the frames that have arrived, heartbeats left out.
        func kinds() -> [FrameKind] {
            connection.withLock { connection in
                var kinds: [FrameKind] = []
                _ = connection.fill()
                while let frame = try? connection.nextFrame() { if frame.kind != .heartbeat { kinds.append(frame.kind) } }
                return kinds
            }
        }
    }

    private static var report: NodeReport {
        var resources = LoopbackMachine.resources
        resources.timestampKilohertz = 2_000_000
        return NodeReport(node: 1, resources: resources)
    }

    @Test(arguments: [
        (.timePong(sent: 1, received: 2, answered: 3, ClockLead()), "it tells a time that nobody asked it for"),
        (.policies(.none), "it chooses coherence policies, which the licence does not permit"),
        (.statReply(report), "it sends figures that nobody asked for"),
    ] as [(ControlMessage, String)])
    func whatNobodyAskedForIsTheLossOfWhoSaysIt(message: ControlMessage, why: String) throws {
        let (links, peers) = try Self.links(2)
        let log = Log()
        let setup = try LoopbackMachine().setup(0, ports: freePorts(2), guest: nil, console: GuestConsole(input: -1, output: -1), log: log)
        var random = SystemRandomNumberGenerator()
        let identity = try NodeIdentity(index: 0, count: 2, kit: "loopback", firmwareHash: testHash, random: &random)
        let watch = try WatchRoom(identity, key: testKey, reach: setup.reach, say: { log($0) })
        watch.start()
        let rooms = try NodeRooms(setup, links: links, watch: watch, say: { log($0) })
        rooms.start()
        defer { rooms.stop() }
        peers[0].send(message)
        for _ in 0..<5000 where !log.contains(why) { usleep(1000) }
        #expect(log.contains("LOST node 1") && log.contains(why), "\(log.all)")
    }

    @Test func onlyNodeZeroTellsTheTime() throws {
        let room = ClockRoom(node: 1, count: 3, control: try ControlPlane(links: [nil, nil, nil]), session: SessionSlot())
        #expect(throws: PeerViolation.self) { try room.answer(1, wish: 0, from: 2, received: 2) }
        for peer in [0, 2] as [NodeIndex] {
            #expect(throws: PeerViolation.self) { try room.take(sent: 1, received: 2, answered: 3, ClockLead(), at: 4, from: peer) }
        }
    }

    private static func room(_ node: NodeIndex, _ control: ControlPlane) throws -> ProcessorRoom {
        let layout = try MachineLayout(nodes: Array(repeating: LoopbackMachine.resources.description, count: 3))
        let (life, clock) = (MachineLife(), MachineClock(kilohertz: 1_000_000))
        let devices = DeviceRoom(
            map: try AddressMap(devices: PlacedDevice.chipset(), nodes: 3), node: node, layout: layout, console: nil, control: control, life: life,
            route: { _ in }, onPower: { _ in })
        return ProcessorRoom(
            clock: clock, node: node, life: life, router: InterruptRouter(layout: layout, node: node, local: [], forward: { _, _ in }),
            timers: TimerThread([]), devices: devices, signals: [], control: control, stopped: { _, _ in }, userSpaceReached: {}, say: { _ in })
    }

    /// A guest's write to the counter goes to node 0, and from there to everybody else.
    @Test func onlyNodeZeroTellsOfTheClocksMoves() throws {
        let (links, peers) = try Self.links(3)
        let zero = try Self.room(0, ControlPlane(links: links))
        try zero.takeTimestampMove(7, from: 1, of: 3)
        #expect(zero.clock.offset == 7)
        zero.moveTimestamp(by: 1)
        #expect(zero.clock.offset == 8)
        #expect(peers.map { $0.kinds() } == [[.timeStampCounter], [.timeStampCounter, .timeStampCounter]])

        let other = try Self.room(1, ControlPlane(links: [nil, nil, nil]))
        #expect(throws: PeerViolation.self) { try other.takeTimestampMove(7, from: 2, of: 3) }
        #expect(other.clock.offset == 0)
        try other.takeTimestampMove(7, from: 0, of: 3)
        #expect(other.clock.offset == 7)
    }
}
