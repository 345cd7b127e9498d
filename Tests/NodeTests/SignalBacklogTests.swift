import Contract
import Machine
import Testing

@testable import Node

/// What a guest signals during an outage waits beside the ring, and what says the same is said once.
@Suite struct SignalBacklogTests {
    private static func interrupt(_ vector: UInt8, to processor: UInt32 = 1, _ mode: InterruptMessage.DeliveryMode = .fixed) -> ControlMessage {
        .interrupt(InterruptMessage(destination: processor, deliveryMode: mode, vector: Vector(vector), source: APICID(0)))
    }

    private static func wire(_ level: UInt64, _ number: UInt64 = 4) -> ControlMessage {
        .deviceRequest(DeviceRequest(sequence: nil, access: DeviceAccess(space: .wire, address: number, size: 1), value: level))
    }

    /// What comes out of a backlog that took all of these.
    private static func merged(_ messages: [ControlMessage]) -> [ControlMessage.Frame] {
        var backlog = SignalBacklog()
        for message in messages {
            let isAdded = backlog.add(message)
            #expect(SignalBacklog.takes(message) && isAdded)
        }
        var frames: [ControlMessage.Frame] = []
        backlog.empty {
            frames.append($0.frame)
            return true
        }
        #expect(backlog.isEmpty)
        return frames
    }

    private func expect(_ messages: [ControlMessage], becomes expected: [ControlMessage], sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(Self.merged(messages) == expected.map(\.frame), sourceLocation: sourceLocation)
    }

    @Test func aVectorThatWaitsIsNotAskedForTwice() {
        let (a, b) = (Self.interrupt(0x41), Self.interrupt(0x42))
        expect([a, b, a, a, b, Self.interrupt(0x41, to: 2)], becomes: [a, b, Self.interrupt(0x41, to: 2)])
        expect([Self.interrupt(0, .nmi), Self.interrupt(0, .nmi)], becomes: [Self.interrupt(0, .nmi)])
    }

    /// INIT discards what waits at its processor; what comes afterwards is for the processor that starts.
    @Test func aResetIsNotPassed() {
        let (vector, initialize, startup) = (Self.interrupt(0x41), Self.interrupt(0, .initialize), Self.interrupt(0x9A, .startup))
        expect([vector, initialize, startup, startup, vector, vector], becomes: [vector, initialize, startup, startup, vector])
    }

    @Test func theLastDestinationCounts() throws {
        let places = try [1, 2].map { try #require(LogicalDestination(rawValue: LogicalDestination.afterReset.rawValue & ~0xFF | UInt64($0))) }
        expect(
            [.logicalDestination(APICID(1), places[0]), .logicalDestination(APICID(2), places[0]), .logicalDestination(APICID(1), places[1])],
            becomes: [.logicalDestination(APICID(1), places[1]), .logicalDestination(APICID(2), places[0])])
    }

    @Test func movesOfTheClockAddUp() {
        expect([.timestampMove(5), .timestampMove(7), .timestampMove(0 &- 2)], becomes: [.timestampMove(10)])
    }

    /// A wire has its last level, and an edge that came is not missing.
    @Test func aWireKeepsItsLevelAndItsEdge() {
        let (high, low) = (Self.wire(1), Self.wire(0))
        expect([high], becomes: [high])
        expect([high, low, high, low, high, low], becomes: [high, low])
        expect([low, high, low, high, low, high], becomes: [low, high])
        expect([high, Self.wire(1, 5), low, high], becomes: [low, high, Self.wire(1, 5)])
    }

    @Test func whatDiffersIsBounded() {
        var backlog = SignalBacklog()
        var added = (0..<UInt32(SignalBacklog.limit)).map { backlog.add(Self.interrupt(0x41, to: $0)) }
        #expect(added.allSatisfy { $0 })
        added = [backlog.add(Self.interrupt(0x42)), backlog.add(Self.interrupt(0x41))]
        #expect(added == [false, true] && backlog.count == SignalBacklog.limit)
    }

    /// Room comes piece by piece.
    @Test func whatFindsNoRoomStays() {
        var backlog = SignalBacklog()
        let messages = [Self.wire(1), Self.wire(0), Self.interrupt(0x41), Self.interrupt(0x42)]
        let added = messages.map { backlog.add($0) }
        #expect(added == [true, true, true, true])
        var frames: [ControlMessage.Frame] = []
        while !backlog.isEmpty {
            var room = 1
            backlog.empty { message in
                guard room > 0 else { return false }
                room -= 1
                frames.append(message.frame)
                return true
            }
        }
        #expect(frames == messages.map(\.frame))
        #expect(!SignalBacklog.takes(.statRequest))
    }
}
