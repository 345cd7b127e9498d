import Coherence
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
                message: { message, node, _ in heard.messages("\(node): \(message)") }, loss: { heard.losses("\($0): \($1)") }))
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
        // Frames go once the plane has said which it waits for.
        for _ in 0..<2000 where heard.losses.all.isEmpty {
            _ = pair.peer.fill()
            _ = try? pair.peer.nextFrame()
            _ = pair.peer.flush()
            usleep(1000)
        }
        #expect(heard.losses.all.count == 1 && heard.losses.contains("1: malformed \(kind): "), "\(heard.losses.all)")
        // What came before counted, what comes after does not.
        #expect(heard.messages.all == ["1: statRequest"])
    }

    /// What finds no room is a loss with words, not an interrupt or an answer that never comes.
    @Test(arguments: [
        (.deviceReply(DeviceReply(sequence: 1, value: 1)), 1_000_000),
        (longStatement, 1000),
    ] as [(ControlMessage, Int)])
    func aPeerThatReadsNothingIsLost(message: ControlMessage, most: Int) throws {
        var pair = try pair()
        let (plane, heard) = (pair.plane, pair.heard)
        defer { plane.stop() }
        var count = 0
        while plane.send(message, to: 1), count < most { count += 1 }
        for _ in 0..<2000 where heard.losses.all.isEmpty { usleep(1000) }
        // Once, however often it is sent to.
        plane.send(message, to: 1)
        usleep(20_000)
        #expect(count < most && heard.losses.all == ["1: \(ControlPlane.stalledWords)"])
        // What it sends then wakes nobody: the thread would turn round and round over bytes that it does not read.
        let isQueued = pair.peer.enqueue(.statRequest, body: [])
        _ = pair.peer.flush()
        usleep(20_000)
        let before = plane.rounds
        usleep(300_000)
        #expect(isQueued && plane.rounds - before < 10 && heard.messages.all.isEmpty)
    }

    // MARK: Outages

    /// What the firmware may have to say to a node during the longest outage and until a connection counts as lost: its figures are the bounds that
    /// interconnect.md states.
    private static var duties: [(message: ControlMessage, count: Int)] {
        let seconds = Limits.outageSeconds.upperBound + 3
        return [
            // Node 0 has an answer for each processor of another node, node n four pings for each beat.
            (.deviceReply(DeviceReply(sequence: 1, value: 1)), Limits.lentProcessors.upperBound),
            (.timePing(sent: 1, wish: 1), seconds * 10 * 4), (.statRequest, seconds), (.policies(.all), seconds),
            // A report and what the nodes tell each other of the end.
            (longStatement, 3), (.membership(.end(EndWord(causes: [.poweredOff, .reboot], isFinal: true))), 64),
            (.update(UpdateMessage(attempt: 1, .piece(offset: 0, [UInt8](repeating: 0, count: UpdateMessage.pieceSize)))), 2),
        ]
    }

    @Test func halfOfTheRingHoldsWhatTheFirmwareHasToSayInAnOutage() {
        let bytes = Self.duties.reduce(0) { sum, duty in
            let frame = duty.message.frame
            return sum + duty.count * (FrameHeader.byteCount + frame.body.count + frame.payload.count)
        }
        #expect(bytes < Connection.defaultRingCapacity / 2, "\(bytes) bytes")
    }

    /// A peer that reads nothing for as long as an outage: a guest may signal as it likes, whoever can wait is told to, and what has to be said has room.
    /// Afterwards each signal arrives.
    @Test func whatAGuestSignalsInAnOutageLosesNobody() throws {
        let (near, far) = socketPair()
        let link = ControlLink(try Connection(adopting: Socket(adopting: near), peer: 1, role: .control), peer: 1)
        var peer = try Connection(adopting: Socket(adopting: far), peer: 0, role: .control)
        _ = peer.flush()
        func send(_ message: ControlMessage) -> Bool { link.send(message, message.frame) }
        func interrupt(_ number: Int) -> ControlMessage {
            .interrupt(InterruptMessage(destination: UInt32(number / 224), vector: Vector(UInt8(32 + number % 224)), source: APICID(0)))
        }
        let different = 224 * 8
        // More than half of the ring holds, and what the socket takes.
        for _ in 0..<20 { #expect((0..<different).allSatisfy { send(interrupt($0)) }) }
        #expect(!link.offer(.deviceRequest(DeviceRequest(sequence: nil, access: DeviceAccess(space: .port, address: 0x3F8, size: 1), value: 1))))
        for duty in Self.duties { #expect((0..<duty.count).allSatisfy { _ in send(duty.message) }, "\(duty.message.frame.kind)") }
        // The peer reads again. Whatever came through the ring came once for each time; the backlog's came once. What was merged is behind the rest.
        var arrived = Set<InterruptMessage>()
        var last = 0
        #expect(send(.timestampMove(42)))
        for _ in 0..<20_000 where last == 0 {
            _ = peer.fill()
            while let frame = try peer.nextFrame() {
                switch try ControlMessage(ControlMessage.Frame(kind: frame.kind, body: frame.bodyBytes, payload: frame.payloadBytes), from: 0) {
                case .interrupt(let message): arrived.insert(message)
                case .timestampMove(42): last += 1
                default: break
                }
            }
            _ = peer.flush()
            _ = link.fill()
            #expect(try link.nextMessage() == nil)
            link.flush()
        }
        #expect(last == 1 && arrived.count == different)
        #expect(link.offer(.statRequest))
    }

    // MARK: A peer that floods

    /// One peer's messages do not keep another's from being heard; and all of them are heard, also when it closes behind them.
    @Test(.timeLimit(.minutes(1))) func aFloodingPeerDoesNotStarveTheOthers() throws {
        let flood = 3000
        var links: [ControlLink?] = [nil]
        for index in 1...2 as ClosedRange<Int> {
            let (near, far) = socketPair()
            let peer = NodeIndex(index)
            links.append(ControlLink(try Connection(adopting: Socket(adopting: near), peer: peer, role: .control), peer: peer))
            var other = try Connection(adopting: Socket(adopting: far), peer: 0, role: .control)
            _ = other.fill()
            _ = try other.nextFrame()
            for _ in 0..<(index == 1 ? flood : 1) {
                let isQueued = other.enqueue(.statRequest, body: [])
                #expect(isQueued)
            }
            // It closes at once.
            let outcome = other.flush()
            #expect(outcome == .drained)
        }
        let plane = try ControlPlane(links: links)
        let counts = Mutex((flooding: 0, before: -1))
        let losses = Log()
        plane.start(
            ControlPlane.Handlers(
                message: { _, node, _ in
                    counts.withLock { counts in
                        if node == 1 { counts.flooding += 1 } else { counts.before = counts.flooding }
                    }
                }, loss: { node, _ in losses("\(node)") }))
        defer { plane.stop() }
        for _ in 0..<5000 where losses.all.count < 2 { usleep(1000) }
        let (flooding, before) = counts.withLock { $0 }
        #expect((0...2 * ControlPlane.share).contains(before), "\(before) messages of the flood came first")
        #expect(flooding == flood && Set(losses.all) == ["1", "2"])
    }
}
