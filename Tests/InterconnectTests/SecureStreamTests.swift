import Contract
import TestSupport
import Testing

@testable import Interconnect

/// Both ends of a connection in memory, and what is on its way between them.
private final class Wire {
    var one: SecureStream
    var other: SecureStream
    /// To the second end, to the first.
    var inFlight: ([UInt8], [UInt8]) = ([], [])
    /// A stream that each end has not begun yet.
    private var pending: [StreamKeys?] = [nil, nil]
    private var generation: UInt8 = 0

    init(sendCapacity: Int = 0) throws {
        one = try SecureStream(role: .coherence, sendCapacity: sendCapacity, receiveCapacity: 0)
        other = try SecureStream(role: .coherence, sendCapacity: sendCapacity, receiveCapacity: 0)
    }

    /// Another TCP stream: each end begins it when `begin` is called for it.
    func renew(_ protection: InterconnectProtection = .encrypted) {
        generation &+= 1
        inFlight = ([], [])
        let (one, other) = ([UInt8](repeating: generation, count: 32), [UInt8](repeating: ~generation, count: 32))
        pending = [
            StreamKeys(send: one, receive: other, protection: protection), StreamKeys(send: other, receive: one, protection: protection),
        ]
    }

    func begin(_ side: Int) {
        guard let keys = pending[side] else { return }
        pending[side] = nil
        if side == 0 { one.begin(keys) } else { other.begin(keys) }
    }

    func interrupt(_ side: Int) { if side == 0 { one.interrupt() } else { other.interrupt() } }

    /// Takes at most `limit` sealed bytes of an end.
    func send(_ side: Int, _ limit: Int = .max) {
        guard pending[side] == nil else { return }
        if side == 0 { inFlight.0 += Self.take(&one, limit) } else { inFlight.1 += Self.take(&other, limit) }
    }

    private static func take(_ end: inout SecureStream, _ limit: Int) -> [UInt8] {
        let output = unsafe end.output()
        let bytes = unsafe Array(output.prefix(limit))
        end.sent(bytes.count)
        return bytes
    }

    /// Gives an end at most `limit` bytes that are on their way to it; the frames that it takes.
    func receive(_ side: Int, _ limit: Int = .max) throws(StreamError) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        try receive(side, limit, into: &frames)
        return frames
    }

    /// Also those that come before what is refused.
    func receive(_ side: Int, _ limit: Int, into frames: inout [[UInt8]]) throws(StreamError) {
        guard pending[side] == nil else { return }
        if side == 0 { try Self.give(&one, &inFlight.1, limit, &frames) } else { try Self.give(&other, &inFlight.0, limit, &frames) }
    }

    private static func give(_ end: inout SecureStream, _ bytes: inout [UInt8], _ limit: Int, _ frames: inout [[UInt8]]) throws(StreamError) {
        let count = unsafe min(bytes.count, limit, end.room.count)
        unsafe end.room.copyBytes(from: bytes.prefix(count))
        end.received(count)
        bytes.removeFirst(count)
        while let frame = try end.nextFrame() { frames.append(frame.bodyBytes + frame.payloadBytes) }
    }

    func write(_ side: Int, body: [UInt8], payload: [UInt8] = []) -> Bool {
        side == 0 ? Self.write(&one, body, payload) : Self.write(&other, body, payload)
    }

    private static func write(_ end: inout SecureStream, _ body: [UInt8], _ payload: [UInt8]) -> Bool {
        let flags: FrameFlags = payload.isEmpty ? [] : [.differences]
        guard let room = unsafe end.reserve(.coherence, flags: flags, bodyLength: body.count, payloadLength: payload.count) else { return false }
        unsafe room.body.copyBytes(from: body)
        unsafe room.payload.copyBytes(from: payload)
        end.commit()
        return true
    }

    /// Both ends have begun and know what the other waits for.
    func open(_ protection: InterconnectProtection = .encrypted) throws {
        renew(protection)
        for side in 0..<2 { begin(side) }
        for side in 0..<2 { send(side) }
        for side in 0..<2 { #expect(try receive(side) == []) }
    }
}

@Suite struct SecureStreamTests {
    /// Frames in both directions over a stream that is interrupted again and again, at either end first, with bytes on their way, and that
    /// somebody alters now and then: each end takes what the other wrote, in order, once.
    @Test(arguments: UInt64(0)..<100) func nothingIsLostOrTakenTwice(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let wire = try Wire(sendCapacity: Int.random(in: 0...200_000, using: &random))
        var written: [[[UInt8]]] = [[], []]
        var taken: [[[UInt8]]] = [[], []]
        wire.renew()
        func take(_ side: Int, _ limit: Int) {
            do throws(StreamError) { try wire.receive(side, limit, into: &taken[side]) } catch {
                if case .violation = error { Issue.record("seed \(seed): \(error)") }
                wire.interrupt(side)
                wire.renew()
            }
        }
        for _ in 0..<300 {
            let side = Int.random(in: 0...1, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<6:
                let body = randomBytes(Int.random(in: 1...32, using: &random), &random)
                let payload = [UInt8](repeating: body[0], count: [0, 0, 1, 4000, 60_000].randomElement(using: &random)!)
                if wire.write(side, body: body, payload: payload) { written[side].append(body + payload) }
            case 6..<11: wire.send(side, Int.random(in: 1...30_000, using: &random))
            case 11..<16: take(side, Int.random(in: 1...30_000, using: &random))
            case 16: wire.begin(side)
            case 17: if Int.random(in: 0..<4, using: &random) == 0 { wire.renew() }
            case 18: wire.interrupt(side)
            default:
                guard Int.random(in: 0..<6, using: &random) == 0, !wire.inFlight.0.isEmpty else { break }
                wire.inFlight.0[Int.random(in: 0..<wire.inFlight.0.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
        }
        wire.renew()
        for side in 0..<2 { wire.begin(side) }
        for _ in 0..<200 {
            for side in 0..<2 {
                wire.send(side)
                take(1 - side, .max)
            }
        }
        for side in 0..<2 { #expect(taken[1 - side] == written[side], "seed \(seed), end \(side)") }
    }

    /// A relay without the key: one bit anywhere in what it carries, in either direction, is found as soon as the last byte has come.
    @Test(arguments: InterconnectProtection.allCases) func everyBitCounts(protection: InterconnectProtection) throws {
        let length = FrameHeader(kind: .coherence, bodyLength: 8, payloadLength: 40).recordLength
        for bit in 0..<length * 8 {
            let wire = try Wire()
            try wire.open(protection)
            let side = bit % 2
            #expect(wire.write(side, body: [1, 2, 3, 4, 5, 6, 7, 8], payload: [UInt8](repeating: 9, count: 40)))
            wire.send(side)
            if side == 0 { wire.inFlight.0[bit / 8] ^= 1 << UInt8(bit % 8) } else { wire.inFlight.1[bit / 8] ^= 1 << UInt8(bit % 8) }
            #expect(throws: StreamError.self, "bit \(bit)") { try wire.receive(1 - side) }
        }
    }

    /// What else it can do: each is named, and the frames that it did not touch still come, over the next stream.
    @Test(arguments: InterconnectProtection.allCases) func aRelayCanNeitherInjectNorReorderNorRepeatNorCutOut(protection: InterconnectProtection) throws {
        let record = FrameHeader(kind: .coherence, bodyLength: 8, payloadLength: 0).recordLength
        func records(_ bytes: [UInt8]) -> [[UInt8]] { stride(from: 0, to: bytes.count, by: record).map { Array(bytes[$0..<min($0 + record, bytes.count)]) } }
        let forged = FrameHeader(kind: .coherence, bodyLength: 8, record: 1).bytes + [UInt8](repeating: 7, count: 8 + SealingKey.tagLength)
        let attacks: [(String, ([[UInt8]]) -> [[UInt8]], FrameError)] = [
            ("injection", { [forged] + $0 }, .seal(record: 1)),
            ("reordering", { [$0[1], $0[0], $0[2]] }, .record(expected: 1, found: 2)),
            ("replay", { [$0[0], $0[0], $0[1]] }, .record(expected: 2, found: 1)),
            ("cut out", { [$0[0], $0[2]] }, .record(expected: 2, found: 3)),
            ("truncation", { [Array($0[0].dropLast()), $0[1], $0[2]] }, .seal(record: 1)),
        ]
        for (name, attack, error) in attacks {
            for side in 0..<2 {
                let wire = try Wire()
                try wire.open(protection)
                let frames = (0..<3).map { [UInt8](repeating: UInt8($0), count: 8) }
                for frame in frames { #expect(wire.write(side, body: frame)) }
                wire.send(side)
                let altered = attack(records(side == 0 ? wire.inFlight.0 : wire.inFlight.1)).flatMap { $0 }
                if side == 0 { wire.inFlight.0 = altered } else { wire.inFlight.1 = altered }
                var taken: [[UInt8]] = []
                // Byte by byte, so that what came before the attack is taken.
                #expect(throws: StreamError.altered(error), "\(name)") { while true { taken += try wire.receive(1 - side, 1) } }
                #expect(taken == Array(frames.prefix(taken.count)), "\(name)")
                wire.interrupt(0)
                wire.interrupt(1)
                try wire.open(protection)
                wire.send(side)
                taken += try wire.receive(1 - side)
                #expect(taken == frames, "\(name)")
            }
        }
    }

    /// Records of one direction, or of an earlier stream, are nothing on another.
    @Test func recordsBelongToOneDirectionOfOneStream() throws {
        let wire = try Wire()
        try wire.open()
        #expect(wire.write(0, body: [1]))
        wire.send(0)
        let recorded = wire.inFlight.0
        wire.inFlight = ([], recorded)
        #expect(throws: StreamError.altered(.seal(record: 1))) { try wire.receive(0) }
        try wire.open()
        wire.inFlight = (recorded, [])
        #expect(throws: StreamError.altered(.seal(record: 1))) { try wire.receive(1) }
    }

    /// Without encryption everybody reads the frame; nobody reads it otherwise.
    @Test func onlyEncryptedFramesAreUnreadable() throws {
        let secret = Array("the guest's page".utf8)
        for protection in InterconnectProtection.allCases {
            let wire = try Wire()
            try wire.open(protection)
            #expect(wire.write(0, body: [1], payload: secret))
            wire.send(0)
            let isReadable = wire.inFlight.0.indices.contains { wire.inFlight.0[$0...].starts(with: secret) }
            #expect(isReadable == (protection == .authenticated))
            #expect(try wire.receive(1) == [[1] + secret])
        }
    }

    /// A peer that holds the key and says what it cannot mean is at fault itself.
    @Test func acknowledgingWhatWasNeverSentIsTheLossOfThePeer() throws {
        let wire = try Wire()
        try wire.open()
        for _ in 0..<2 { #expect(wire.write(0, body: [1])) }
        wire.send(0)
        #expect(try wire.receive(1).count == 2)
        // The first end starts again and knows nothing of the frames that the second one has.
        let fresh = try Wire()
        swap(&fresh.one, &wire.one)
        wire.renew()
        for side in 0..<2 { wire.begin(side) }
        wire.send(1)
        #expect(throws: StreamError.violation("it waits for frame 2, which this node does not have")) { try wire.receive(0) }
    }

    @Test func aDirectionWithoutAnswersIsAcknowledgedToo() throws {
        let wire = try Wire()
        try wire.open()
        var count = 0
        // Far more than the ring holds, in one direction only.
        for round in 0..<200 {
            while wire.write(0, body: [UInt8(round)], payload: [UInt8](repeating: 1, count: 9000)) { count += 1 }
            wire.send(0)
            count -= try wire.receive(1).count
            wire.send(1)
            _ = try wire.receive(0)
        }
        #expect(count == 0)
    }
}
