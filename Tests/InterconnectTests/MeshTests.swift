import Glibc
import Testing

@testable import Interconnect

/// What a node's thread brings back from `Mesh.establish`.
enum Joined: Sendable {
    case peers([UInt8])
    case refused(Refusal, String)
    case timeout([UInt8], String)
    case failed(String)
}

@Suite struct MeshTests {
    /// Starts one node on a thread; it answers one heartbeat from each peer with its own, so the links are known to work.
    private func node(
        _ identity: NodeIdentity, key: ClusterKey = testKey, ports: [UInt16], listen: UInt16? = nil,
        patience: Double = 20, log: Log
    ) -> Promise<Joined> {
        onThread {
            do {
                var peers: [UInt8: SocketAddress] = [:]
                for (index, port) in ports.enumerated() { peers[UInt8(index)] = try SocketAddress("127.0.0.1:\(port)") }
                let listen = try SocketAddress("127.0.0.1:\(listen ?? ports[Int(identity.index)])")
                var configuration = MeshConfiguration(
                    identity: identity, key: key, reach: .fixed(listen: listen, peers: peers),
                    patience: UInt64(patience * 1e9))
                configuration.handshakeTimeout = 1_000_000_000
                let links = try Mesh.establish(configuration) { log("\(identity.index): \($0)") }
                for link in links {
                    var control = link.takeControl()
                    var coherence = link.takeCoherence()
                    precondition(control.enqueue(.heartbeat, body: [identity.index]))
                    precondition(coherence.enqueue(.coherence, body: [identity.index]))
                    _ = control.flush()
                    _ = coherence.flush()
                    for expected in [FrameKind.heartbeat, .coherence] {
                        var found: UInt8?
                        let end = monotonicNanoseconds() + 5_000_000_000
                        while found == nil, monotonicNanoseconds() < end {
                            usleep(1000)
                            if expected == .heartbeat {
                                _ = control.fill()
                                found = try control.nextFrame()?.body(at: 0)
                            } else {
                                _ = coherence.fill()
                                found = try coherence.nextFrame()?.body(at: 0)
                            }
                        }
                        if found != link.peer.index { return .failed("no \(expected) from node \(link.peer.index)") }
                    }
                }
                return .peers(links.map { $0.peer.index })
            } catch let error as MeshError {
                switch error {
                case .refused(let refusal, let message): return .refused(refusal, message)
                case .timeout(let missing, _, let message): return .timeout(missing.members, message)
                case .interconnect(let error): return .failed("\(error)")
                }
            } catch {
                return .failed("\(error)")
            }
        }
    }

    private func freePorts(_ count: Int) throws -> [UInt16] { try (0..<count).map { _ in try freePort() } }

    @Test(arguments: [2, 3, 5]) func everyNodeReachesEveryOther(count: UInt8) throws {
        let ports = try freePorts(Int(count))
        let log = Log()
        let nodes = (0..<count).map { node(identity($0, of: count), ports: ports, log: log) }
        for (index, promise) in nodes.enumerated() {
            guard case .peers(let peers) = promise.wait() else {
                Issue.record("node \(index): \(String(describing: promise.current)); \(log.all)")
                continue
            }
            #expect(peers == (0..<count).filter { $0 != UInt8(index) })
        }
    }

    @Test func oneNodeNeedsNobody() throws {
        let log = Log()
        guard case .peers(let peers) = node(identity(0, of: 1), ports: try freePorts(1), log: log).wait() else {
            Issue.record("a single node did not start")
            return
        }
        #expect(peers.isEmpty)
    }
}
