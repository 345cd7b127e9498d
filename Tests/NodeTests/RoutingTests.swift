import Contract
import Machine
import Synchronization
import Testing

@testable import Node

@Suite struct RoutingTests {
    private final class Forwarded: Sendable {
        let messages = Mutex<[(node: NodeIndex, message: InterruptMessage)]>([])
        var all: [(node: NodeIndex, message: InterruptMessage)] { messages.withLock { $0 } }
    }

    private let forwarded = Forwarded()
    private let layout: MachineLayout
    private let mailboxes: [InterruptMailbox]
    private let router: InterruptRouter

    /// Node 0 of two with two processors each.
    init() throws {
        layout = try MachineLayout(
            nodes: Array(repeating: .init(sockets: 1, coresPerSocket: 2, threadsPerCore: 1, sliceMiB: 64), count: 2))
        let boxes = layout.processors(ofNode: 0).map { InterruptMailbox(id: $0.apicID) }
        mailboxes = boxes
        let forwarded = forwarded
        router = InterruptRouter(
            layout: layout, node: 0, local: boxes.map { .init(mailbox: $0, signal: ProcessorSignal()) },
            forward: { node, message in forwarded.messages.withLock { $0.append((node, message)) } })
    }

    private func isPosted(_ index: Int, _ vector: UInt8) -> Bool { !mailboxes[index].post(Vector(vector)) }

    @Test func aLocalInterruptStaysHere() {
        router.route(InterruptMessage(destination: layout.processors[1].apicID.rawValue, vector: Vector(0x41)))
        #expect(isPosted(1, 0x41) && !isPosted(0, 0x41) && forwarded.all.isEmpty && router.forwardedCount == 0)
    }

    @Test func aRemoteInterruptGoesToItsNodeOnly() {
        let target = layout.processors[3].apicID
        router.route(InterruptMessage(destination: target.rawValue, vector: Vector(0x42)))
        #expect(forwarded.all.map(\.node) == [1] && forwarded.all[0].message.destination == target.rawValue)
        #expect(!isPosted(0, 0x42) && !isPosted(1, 0x42) && router.forwardedCount == 1)
    }

    @Test func aBroadcastReachesEveryProcessorAndTravelsOnce() {
        router.route(
            InterruptMessage(destination: 0, vector: Vector(0x43), shorthand: .allButSelf, source: layout.processors[0].apicID))
        #expect(!isPosted(0, 0x43) && isPosted(1, 0x43))
        #expect(forwarded.all.map(\.node) == [1] && forwarded.all[0].message.shorthand == .allButSelf)
    }

    /// The sender picks, so that the receiver cannot pick another one.
    @Test func lowestPriorityReachesExactlyOneProcessor() {
        for vector in UInt8(0x50)...0x57 {
            let before = forwarded.all.count
            router.route(
                InterruptMessage(destination: 0xFFFF_FFFF, deliveryMode: .lowestPriority, vector: Vector(vector)))
            let here = [0, 1].count { isPosted($0, vector) }
            let there = forwarded.all.dropFirst(before)
            #expect(here + there.count == 1)
            for (_, message) in there { #expect(message.deliveryMode == .fixed && message.destinationMode == .physical) }
        }
        #expect(!forwarded.all.isEmpty)
    }

    @Test func whatAnotherNodeSentIsNotForwardedAgain() throws {
        try router.accept(InterruptMessage(destination: 0xFFFF_FFFF, vector: Vector(0x44)), from: 1)
        #expect(isPosted(0, 0x44) && isPosted(1, 0x44) && forwarded.all.isEmpty)
    }

    @Test func nobodySpeaksForAnotherNodesProcessor() throws {
        let (mine, theirs) = (layout.processors[0].apicID, layout.processors[2].apicID)
        for foreign in [mine, APICID(77)] {
            #expect(throws: PeerViolation.self) {
                try router.accept(InterruptMessage(destination: 0xFFFF_FFFF, vector: Vector(0x45), source: foreign), from: 1)
            }
            #expect(throws: PeerViolation.self) { try router.update(foreign, LogicalDestination(.flat, id: 1), from: 1) }
        }
        #expect(!isPosted(0, 0x45) && !isPosted(1, 0x45))
        try router.accept(InterruptMessage(destination: 0xFFFF_FFFF, vector: Vector(0x46), source: theirs), from: 1)
        try router.update(theirs, LogicalDestination(.flat, id: 1), from: 1)
        #expect(isPosted(0, 0x46) && isPosted(1, 0x46))
    }
}
