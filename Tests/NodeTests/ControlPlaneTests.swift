import Contract
import Glibc
import Machine
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Interconnect
@testable import Node

/// One node's control plane, and a peer that is only a socket.
@Suite struct ControlPlaneTests {
    private final class Heard: Sendable {
        let losses = Log(), messages = Log()
    }

    private struct Pair: ~Copyable {
        let plane: ControlPlane
        var peer: Connection
        let heard: Heard
    }

    private func pair() throws -> Pair {
        let (near, far) = socketPair()
        let link = ControlLink(try Connection(adopting: Socket(adopting: near), peer: 1, role: .control), peer: 1)
        let plane = try ControlPlane(links: [nil, link])
        let heard = Heard()
        plane.start(
            ControlPlane.Handlers(
                message: { message, node, _ in heard.messages("\(node): \(message)") }, loss: { heard.losses("\($0): \($1)") }, beat: {}))
        var peer = try Connection(adopting: Socket(adopting: far), peer: 0, role: .control)
        // Nothing is sent before the other end has said what it waits for.
        _ = peer.fill()
        _ = try peer.nextFrame()
        return Pair(plane: plane, peer: peer, heard: heard)
    }

    private static var longStatement: ControlMessage {
        var long = MembershipTests.statement(0)
        long.denyList = [UInt8](repeating: 0, count: LicenceStatement.longestDenyList)
        return .membership(.licence(long))
    }

    private func awaitLoss(_ heard: Heard) {
        for _ in 0..<2000 where heard.losses.all.isEmpty { usleep(1000) }
    }

    @Test(arguments: [
        (FrameKind.membership, [99]), (.membership, []), (.interrupt, [0, 1, 2]), (.interrupt, [9]), (.policies, Array(repeating: 0xFE, count: 8)),
        (.timePing, [1, 2]), (.update, []), (.update, [0, 1]), (.update, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), (.update, [8, 1, 0, 0, 0, 0, 0, 0, 0, 5]), (.deviceRequest, Array(repeating: 0xFF, count: 24)),
    ] as [(FrameKind, [UInt8])])
    func aMessageThatCannotBeReadIsTheLossOfItsSender(kind: FrameKind, body: [UInt8]) throws {
        var pair = try pair()
        let (plane, heard) = (pair.plane, pair.heard)
        defer { plane.stop() }
        for (kind, body) in [(.statRequest, []), (kind, body), (.statRequest, [])] {
            let isQueued = pair.peer.enqueue(kind, body: body)
            #expect(isQueued)
        }
        _ = pair.peer.flush()
        awaitLoss(heard)
        #expect(heard.losses.all.count == 1 && heard.losses.contains("1: malformed \(kind): "), "\(heard.losses.all)")
        // What came before counted, what comes after does not.
        #expect(heard.messages.all == ["1: statRequest"])
    }

    /// What finds no room is a loss with words, not an interrupt or an answer that never comes.
    @Test(arguments: [
        (.interrupt(InterruptMessage(destination: 1, vector: Vector(0x41))), 1_000_000), (.deviceReply(DeviceReply(sequence: 1, value: 1)), 1_000_000),
        (longStatement, 1000),
    ] as [(ControlMessage, Int)])
    func aPeerThatReadsNothingIsLost(message: ControlMessage, most: Int) throws {
        let pair = try pair()
        let (plane, heard) = (pair.plane, pair.heard)
        defer { plane.stop() }
        var count = 0
        while plane.send(message, to: 1), count < most { count += 1 }
        awaitLoss(heard)
        #expect(count < most && heard.losses.contains("1: it has read nothing for long"), "\(heard.losses.all)")
        _ = pair.peer.fileDescriptor
    }
}
