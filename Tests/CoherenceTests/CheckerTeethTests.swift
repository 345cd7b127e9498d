import Coherence
import Testing

@testable import CoherenceSimulation

/// Faults put between the engines, each of which the model check has to notice: a check that passes everything proves nothing.
@Suite struct CheckerTeethTests {
    /// Runs the check with a fault in the channels and says what it found.
    func finding(
        nodes: Int = 3, _ configure: (inout EngineConfiguration) -> Void = { _ in },
        mutation: @escaping @Sendable (Packet) -> [Packet]
    ) throws -> String? {
        var configuration = try ModelCheckTests.machine(nodes: nodes, pages: 1)
        configure(&configuration)
        var options = ModelChecker.Options(prefetches: false)
        options.mutation = mutation
        options.stateLimit = 60_000
        do {
            _ = try ModelChecker(configuration, options).run()
            return nil
        } catch {
            return "\(error)"
        }
    }

    func loses(_ kind: Message.Kind) throws -> String? {
        try finding { $0.message.kind == kind ? [] : [$0] }
    }

    @Test(arguments: [
        Message.Kind.invalidateAck, .invalidate, .forwardShared, .forwardExclusive, .data, .grant, .writeBackAck,
        .writeBack, .replacementHint,
    ])
    func lostMessage(kind: Message.Kind) throws {
        let found = try loses(kind)
        #expect(found != nil, "a lost \(kind) goes unnoticed")
    }

    @Test(arguments: [
        Message.Kind.invalidateAck, .forwardShared, .forwardExclusive, .data, .grant, .writeBackAck,
    ])
    func duplicatedMessage(kind: Message.Kind) throws {
        let found = try finding { $0.message.kind == kind ? [$0, $0] : [$0] }
        #expect(found != nil, "a duplicated \(kind) goes unnoticed")
    }

    /// An invalidation for a copy on its way, taken for one of a copy long dropped: its node would go on reading.
    @Test func forgottenCopy() throws {
        let found = try finding { packet in
            var changed = packet
            if packet.message.kind == .invalidate { changed.message = packet.message.withMask(0) }
            return [changed]
        }
        #expect(found != nil)
    }

    /// The other way round it would never be acknowledged.
    @Test func expectedCopy() throws {
        let found = try finding { packet in
            var changed = packet
            if packet.message.kind == .invalidate { changed.message = packet.message.withMask(1 << 40) }
            return [changed]
        }
        #expect(found != nil)
    }

    @Test func staleContents() throws {
        let found = try finding { packet in
            var changed = packet
            if packet.message.kind == .writeBack { changed.values = [0] }
            return [changed]
        }
        #expect(found != nil)
    }

    /// The requester is told to wait for fewer acknowledgements than sharers were asked: it would install early.
    @Test func earlyInstall() throws {
        let found = try finding { packet in
            guard packet.message.acks > 0, packet.message.kind == .grant || packet.message.kind == .data else { return [packet] }
            var changed = packet
            changed.message = packet.message.withoutAcks
            return [changed]
        }
        #expect(found != nil)
    }

    /// What breaks a promise is told step by step, by the shortest way.
    @Test func theStepsThatBreakAPromiseAreTold() throws {
        var machine = CheckedMachine(nodes: 2, pages: 1)
        machine.options.mutation = { $0.message.kind == .grant ? [] : [$0] }
        let finding = try #require(
            ModelChecker.shortestFinding(try machine.configuration(), machine.options, stateLimit: 10_000))
        #expect(finding.description.hasPrefix("deadlock"))
        #expect(finding.path.count == 3)
        #expect(finding.path.first?.hasPrefix("node 1 ") == true)
        #expect(finding.path.last == "node 1 receives from node 0: grant page 1, exclusive, zero")
    }

    @Test func nothingIsFoundWithoutAFault() throws {
        #expect(try finding(nodes: 2) { [$0] } == nil)
    }
}

extension Message {
    /// The same message as a wrong home would send it: nobody has to acknowledge.
    var withoutAcks: Message { changed { $0[3] = 0 } }

    func withMask(_ mask: UInt64) -> Message {
        changed { bytes in
            for index in 0..<8 { bytes[8 + index] = UInt8(truncatingIfNeeded: mask >> (8 * UInt64(index))) }
        }
    }

    private func changed(_ change: (inout [UInt8]) -> Void) -> Message {
        var bytes = [UInt8](repeating: 0, count: Message.encodedSize)
        var span = bytes.mutableSpan
        encode(into: &span)
        change(&bytes)
        return Message(decoding: bytes.span, nodeCount: 64, totalPages: .max) ?? self
    }
}
