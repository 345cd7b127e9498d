import Contract
import Bytes
import Platform
import Foundation
import TestSupport
import Testing

@testable import Interconnect

/// What a node's thread brings back from `Mesh.establish`.
enum Joined: Sendable {
    case peers([NodeIndex])
    case refused(Refusal, String)
    case timeout([NodeIndex], String)
    case failed(String)
}

@Suite struct MeshTests {
    /// Whether every node found its peers; one that did not is an issue.
    private func haveJoined(_ nodes: [Promise<Joined>], _ log: Log) -> Bool {
        for promise in nodes {
            guard case .peers = promise.wait() else {
                Issue.record("\(String(describing: promise.current)); \(log.all)")
                return false
            }
        }
        return true
    }

    /// Starts one node on a thread; it answers one heartbeat from each peer with its own, so the links are known to work.
    private func node(
        _ identity: NodeIdentity, key: ClusterKey = testKey, ports: [UInt16], listen: UInt16? = nil,
        interface: String? = nil, mtu: Int? = nil, patience: Double = 20, log: Log
    ) -> Promise<Joined> {
        onThread {
            do {
                var peers: [NodeIndex: SocketAddress] = [:]
                for (index, port) in ports.enumerated() { peers[NodeIndex(index)] = try SocketAddress("127.0.0.1:\(port)") }
                let listen = try SocketAddress("127.0.0.1:\(listen ?? ports[node: identity.index])")
                let reach =
                    interface.map { Reach.discovery(interface: $0, mtu: mtu) }
                    ?? .fixed(listen: listen, peers: peers)
                var configuration = MeshConfiguration(
                    identity: identity, key: key, reach: reach, patience: UInt64(patience * 1e9))
                configuration.handshakeTimeout = 1_000_000_000
                configuration.reportInterval = 300_000_000
                try reach.setMTU()
                let mesh = try Mesh.establish(configuration) { log("\(identity.index): \($0)") }
                for link in mesh.links {
                    var control = link.takeControl()
                    var coherence = link.takeCoherence()
                    precondition(control.enqueue(.heartbeat, body: [identity.index.rawValue]))
                    precondition(coherence.enqueue(.coherence, body: [identity.index.rawValue]))
                    _ = control.flush()
                    _ = coherence.flush()
                    for expected in [FrameKind.heartbeat, .coherence] {
                        var found: NodeIndex?
                        let end = monotonicNow() + 5_000_000_000
                        while found == nil, monotonicNow() < end {
                            usleep(1000)
                            _ = control.flush()
                            _ = coherence.flush()
                            if expected == .heartbeat {
                                _ = control.fill()
                                found = try control.nextFrame()?.bodyBytes.first.flatMap { NodeIndex(exactly: $0) }
                            } else {
                                _ = coherence.fill()
                                found = try coherence.nextFrame()?.bodyBytes.first.flatMap { NodeIndex(exactly: $0) }
                            }
                        }
                        _ = control.flush()
                        _ = coherence.flush()
                        if found != link.peer.index { return .failed("no \(expected) from node \(link.peer.index)") }
                    }
                }
                return .peers(mesh.links.map { $0.peer.index })
            } catch let error as MeshError {
                switch error {
                case .refused(let refusal, let message): return .refused(refusal, message)
                case .otherFirmware(_, let message): return .failed(message)
                case .timeout(let missing, _, let message): return .timeout(missing.members, message)
                case .interconnect(let error): return .failed("\(error)")
                }
            } catch {
                return .failed("\(error)")
            }
        }
    }

    private func freePorts(_ count: Int) throws -> [UInt16] { try (0..<count).map { _ in try freePort() } }

    @Test(arguments: [2, 3, 5]) func everyNodeReachesEveryOther(count: Int) throws {
        let ports = try freePorts(count)
        let log = Log()
        let nodes = NodeIndex.all(of: count).map { node(identity($0, of: count), ports: ports, log: log) }
        for (index, promise) in nodes.enumerated() {
            guard case .peers(let peers) = promise.wait() else {
                Issue.record("node \(index): \(String(describing: promise.current)); \(log.all)")
                continue
            }
            #expect(peers == NodeIndex.all(of: count).filter { $0.position != index })
        }
    }

    /// The peer notices a cut stream while this node is still starting: the stream that it dials waits for who takes it, and nobody dials again.
    @Test func aStreamThatIsResumedBeforeAnybodyTakesItIsKept() throws {
        let ports = try freePorts(2)
        let log = Log()
        let joining = NodeIndex.all(of: 2).map { index in
            onThread { () -> Result<JoinedMesh, any Error> in
                Result {
                    let peers = Dictionary(uniqueKeysWithValues: try ports.enumerated().map { (NodeIndex($0.offset), try SocketAddress("127.0.0.1:\($0.element)")) })
                    let reach = Reach.fixed(listen: try SocketAddress("127.0.0.1:\(ports[node: index])"), peers: peers)
                    return try Mesh.establish(MeshConfiguration(identity: identity(index), key: testKey, reach: reach, patience: 20_000_000_000)) { log($0) }
                }
            }
        }
        let meshes = try joining.map { try #require($0.wait()).get() }
        let resumed = [Log(), Log()]
        meshes[1].keeper.onResume { resumed[1]("\($0.role)") }
        meshes[1].keeper.interrupted(0, .control)
        func wait(_ node: Int) { for _ in 0..<500 where resumed[node].all.isEmpty { usleep(10_000) } }
        wait(1)
        #expect(resumed[1].all == ["\(ConnectionRole.control)"])
        // Longer than until the next dialling.
        usleep(400_000)
        meshes[0].keeper.onResume { resumed[0]("\($0.role) of node \($0.peer)") }
        wait(0)
        usleep(400_000)
        #expect(resumed[0].all == ["\(ConnectionRole.control) of node 1"] && resumed[1].all.count == 1, "\(log.all)")
    }

    @Test func oneNodeNeedsNobody() throws {
        let log = Log()
        guard case .peers(let peers) = node(identity(0, of: 1), ports: try freePorts(1), log: log).wait() else {
            Issue.record("a single node did not start")
            return
        }
        #expect(peers.isEmpty)
    }

    @Test func aNodeAloneSaysWhoIsMissingAndGivesUp() throws {
        let log = Log()
        let outcome = node(identity(0, of: 3), ports: try freePorts(3), patience: 1, log: log).wait()
        guard case .timeout(let missing, let message) = outcome else {
            Issue.record("\(String(describing: outcome))")
            return
        }
        #expect(missing == [1, 2])
        #expect(message.contains("node 1, 2"))
        #expect(log.contains("still waits for node 1, 2"))
    }

    @Test func wrongKeyIsSaidOnBothConsoles() throws {
        let ports = try freePorts(2)
        let log = Log()
        let zero = node(identity(0), ports: ports, patience: 2, log: log)
        let one = node(identity(1), key: otherKey, ports: ports, patience: 2, log: log)
        for outcome in [zero.wait(), one.wait()] {
            guard case .timeout(_, let message) = outcome else {
                Issue.record("\(String(describing: outcome))")
                return
            }
            #expect(message.contains("cluster key"))
        }
        let lines = log.all
        #expect(lines.contains { $0.hasPrefix("0: node 0 refuses 127.0.0.1") && $0.contains("cluster key") })
        #expect(lines.contains { $0.hasPrefix("1: node 0 at 127.0.0.1") && $0.contains("refuses node 1") })
        #expect(lines.count { $0.contains("cluster key") } <= 4, "a refused peer must not flood the console")
    }

    @Test func otherFirmwareStopsBothSoon() throws {
        let ports = try freePorts(2)
        let log = Log()
        let start = monotonicNow()
        let nodes = [
            node(identity(0), ports: ports, log: log), node(identity(1, hash: otherHash), ports: ports, log: log),
        ]
        for promise in nodes {
            guard case .refused(let refusal, let message) = promise.wait() else {
                Issue.record("\(String(describing: promise.current)) \(log.all)")
                return
            }
            #expect(refusal.code == Refusal.firmwareHash(mine: testHash, theirs: otherHash).code)
            #expect(message.contains("node 0") && message.contains("node 1"))
        }
        #expect(monotonicNow() - start < 10_000_000_000, "well before patience ends")
    }

    @Test func ofTwoBoardsWithOneStickOneIsRefused() throws {
        let ports = try freePorts(3)
        let log = Log()
        let zero = node(identity(0, of: 3), ports: ports, patience: 4, log: log)
        let twins = [
            node(identity(1, of: 3, seed: 1), ports: ports, listen: try freePort(), patience: 4, log: log),
            node(identity(1, of: 3, seed: 2), ports: ports, listen: try freePort(), patience: 4, log: log),
        ]
        var refused = 0
        for twin in twins {
            if case .refused(let refusal, let message) = twin.wait() {
                #expect(refusal.code == Refusal.duplicateIndex(1, holder: "").code)
                #expect(message.contains("node 1"))
                refused += 1
            }
        }
        #expect(refused == 1, "\(log.all)")
        guard case .timeout(let missing, _) = zero.wait() else {
            Issue.record("\(String(describing: zero.current))")
            return
        }
        #expect(missing == [2], "the node that came first keeps its place")
        #expect(log.contains("give every board its own stick"))
    }

    @Test func strangersAndSlowlorisesDisturbNobody() throws {
        let ports = try freePorts(2)
        let log = Log()
        let zero = node(identity(0), ports: ports, log: log)
        let door = try SocketAddress("127.0.0.1:\(ports[0])")
        usleep(300_000)
        let strangers = onThread { () -> Bool in
            final class Stranger {
                let socket: Socket
                init(_ socket: consuming Socket) { self.socket = socket }
            }
            var random = SeededGenerator(seed: 11)
            var held: [Stranger] = []
            for count in 0..<100 {
                guard let socket = try? Socket.connecting(to: door) else { continue }
                usleep(2000)
                // A third says nothing, a third dribbles a hello that never ends, a third talks nonsense.
                switch count % 3 {
                case 0: break
                case 1: _ = socket.write([0x76])
                default: _ = socket.write(randomBytes(200, &random))
                }
                held.append(Stranger(socket))
            }
            for _ in 0..<20 {
                for stranger in held { _ = stranger.socket.write([0x53]) }
                usleep(50_000)
            }
            return true
        }
        usleep(200_000)
        let one = node(identity(1), ports: ports, log: log)
        for promise in [zero, one] {
            guard case .peers = promise.wait() else {
                Issue.record("\(String(describing: promise.current)); \(log.all)")
                return
            }
        }
        #expect(log.contains("a stranger on the interconnect"))
        #expect(strangers.wait() == true)
    }

    @Test func anotherVersionIsToldWhyInWords() throws {
        let ports = try freePorts(2)
        let log = Log()
        let zero = node(identity(0), ports: ports, patience: 2, log: log)
        usleep(300_000)
        let socket = try Socket.connecting(to: SocketAddress("127.0.0.1:\(ports[0])"))
        usleep(100_000)
        _ = socket.write(HandshakeMessage.encode(.hello, version: 7, [UInt8](repeating: 1, count: 20)))
        var answer: [UInt8] = []
        for _ in 0..<500 {
            guard let bytes = socket.read(atMost: 1000) else { break }
            answer += bytes
            usleep(2000)
        }
        #expect(sanitized(answer, limit: 2000).contains("protocol version 7"))
        guard case .timeout = zero.wait() else {
            Issue.record("\(String(describing: zero.current))")
            return
        }
        #expect(log.contains("it speaks protocol version 7, node 0 speaks 3"))
    }

    @Test(
        .enabled(
            if: VirtualEthernet.isPossible, "needs root and iproute2 to make a pair of virtual Ethernet interfaces"))
    func beaconsOnALinkBringNodesTogether() throws {
        let cable = try #require(VirtualEthernet(suffix: "a"), "ip link add ... type veth failed")
        defer { cable.remove() }
        let log = Log()
        let nodes = [
            node(identity(0), ports: [1, 2], interface: cable.near, log: log),
            node(identity(1), ports: [1, 2], interface: cable.far, log: log),
        ]
        guard haveJoined(nodes, log) else { return }
        #expect(log.contains("found node 0 at [fe80::"))
    }

    @Test(
        .enabled(
            if: VirtualEthernet.isPossible, "needs root and iproute2 to make a pair of virtual Ethernet interfaces"))
    func interfacesCarryThePacketsOfTheirBoard() throws {
        let cable = try #require(VirtualEthernet(suffix: "c"), "ip link add ... type veth failed")
        defer { cable.remove() }
        let log = Log()
        // Unequal on purpose: the nodes join all the same.
        let nodes = [
            node(identity(0), ports: [1, 2], interface: cable.near, mtu: 9000, log: log),
            node(identity(1), ports: [1, 2], interface: cable.far, mtu: 4400, log: log),
        ]
        guard haveJoined(nodes, log) else { return }
        for (name, expected) in [(cable.near, "9000\n"), (cable.far, "4400\n")] {
            #expect(try String(contentsOfFile: "/sys/class/net/\(name)/mtu", encoding: .utf8) == expected)
        }
        guard case .failed(let why) = node(identity(0), ports: [1, 2], interface: cable.near, mtu: 70_000, log: log).wait()
        else {
            Issue.record("an interface took packets of 70 000 bytes")
            return
        }
        #expect(why.contains("does not carry packets of 70000 bytes: Invalid argument (errno 22);") && why.contains("mtu"))
    }

    @Test(
        .enabled(
            if: VirtualEthernet.isPossible, "needs root and iproute2 to make a pair of virtual Ethernet interfaces"))
    func strangersAndTwinsOnALinkAreNamed() throws {
        let cable = try #require(VirtualEthernet(suffix: "b"), "ip link add ... type veth failed")
        defer { cable.remove() }
        let log = Log()
        let nodes = [
            node(identity(0, of: 3), ports: [1, 2], interface: cable.near, patience: 8, log: log),
            node(identity(0, of: 3, seed: 5), ports: [1, 2], interface: cable.far, patience: 8, log: log),
            node(identity(1, of: 3), key: otherKey, ports: [1, 2], interface: cable.far, patience: 3, log: log),
        ]
        for promise in nodes.prefix(2) {
            guard case .refused(.duplicateIndex(0, _), let message) = promise.wait() else {
                Issue.record("\(String(describing: promise.current)); \(log.all)")
                return
            }
            #expect(message.contains("fe80::"))
        }
        _ = nodes[2].wait()
        #expect(log.contains("a stranger on the interconnect: [fe80::"))
    }
}
