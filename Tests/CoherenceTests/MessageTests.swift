import Coherence
import Testing

@testable import CoherenceSimulation

@Suite struct MessageTests {
    func decode(_ bytes: [UInt8], nodes: Int = 4, pages: UInt32 = 1000) -> Message? {
        Message(decoding: bytes.span, nodeCount: nodes, totalPages: pages)
    }

    /// 24 bytes of a message; fields not named are zero.
    func bytes(
        _ kind: UInt8, flags: UInt8 = 0, requester: UInt8 = 0, acks: UInt8 = 0, page: UInt32 = 5, mask: UInt64 = 0,
        zeroMask: UInt64 = 0
    ) -> [UInt8] {
        var bytes: [UInt8] = [kind, flags, requester, acks]
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: page >> shift)) }
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: mask >> shift)) }
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: zeroMask >> shift)) }
        return bytes
    }

    @Test func fieldsOutOfRangeAreRefused() {
        #expect(decode(bytes(1)) != nil)
        #expect(decode(bytes(0)) == nil, "kind 0")
        #expect(decode(bytes(15)) == nil, "kind beyond the last")
        #expect(decode(bytes(1, flags: 4)) == nil, "unknown flag")
        #expect(decode(bytes(4, requester: 4)) == nil, "a requester that is no node")
        #expect(decode(bytes(8, flags: 1, acks: 4)) == nil, "more acknowledgements than other nodes")
        #expect(decode(bytes(1, page: 1000)) == nil, "a page beyond the machine")
        #expect(decode(bytes(1, page: 990, mask: 1 << 10)) == nil, "a mask beyond the machine")
        #expect(decode(bytes(1, page: .max, mask: 2), pages: .max) == nil, "a mask beyond the last page number")
        #expect(decode(bytes(1, mask: 1)) == nil, "a request for its own page in advance")
        #expect(decode(bytes(3)) == nil, "a prefetch of nothing")
        #expect(decode(bytes(10, mask: 0x1FFFF)) == nil, "seventeen pages behind one message")
        #expect(decode(bytes(10, mask: 3, zeroMask: 2)) == nil, "a page both as contents and as zeros")
        #expect(decode(bytes(11, acks: 1)) == nil, "a field its kind does not use")
        #expect(decode(Array(bytes(1).dropLast())) == nil, "too short")
    }

    @Test func whateverDecodesEncodesToTheSameBytes() {
        var random = SplitMix64(state: 7)
        var accepted = 0
        for _ in 0..<200_000 {
            var bytes = (0..<24).map { _ in random.next() % 3 == 0 ? UInt8(truncatingIfNeeded: random.next()) : 0 }
            bytes[0] = UInt8(random.below(16))
            guard let message = decode(bytes) else { continue }
            accepted += 1
            var back = [UInt8](repeating: 0xFF, count: 24)
            var span = back.mutableSpan
            message.encode(into: &span)
            #expect(back == bytes)
            #expect((0...Message.maximumPages).contains(message.pagesFollowing))
        }
        #expect(accepted > 100)
    }

    /// Whatever a peer sends, the engine answers or says that it is wrong; it does not trap.
    @Test func randomMessagesNeverTrapTheEngine() throws {
        for seed in 1...40 {
            var random = SplitMix64(state: UInt64(seed))
            var configuration = try ModelCheckTests.machine(nodes: 4, pages: 6, homes: [0, 0, 1, 1, 2, 3])
            configuration.policies = .all
            configuration.outstandingFaults = 8
            var engine = Engine(configuration: configuration)
            var effects = EffectBuffer()
            var refused = 0
            for step in 0..<2000 {
                effects.removeAll()
                let now = Instant(nanoseconds: UInt64(step) * 10_000)
                if random.below(4) == 0 {
                    engine.fault(PageNumber(UInt32(1 + random.below(6))), isWrite: random.below(2) == 0, now: now, effects: &effects)
                    continue
                }
                let page = UInt32(1 + random.below(6))
                let candidate = bytes(
                    UInt8(1 + random.below(14)), flags: UInt8(random.below(4)), requester: UInt8(random.below(4)),
                    acks: UInt8(random.below(3)), page: page, mask: random.below(3) == 0 ? random.next() & 7 : 0,
                    zeroMask: random.below(6) == 0 ? random.next() & 3 : 0)
                guard let message = decode(candidate, pages: 7) else { continue }
                do {
                    try engine.receive(message, from: NodeID(UInt8(random.below(4))), now: now, effects: &effects)
                } catch {
                    refused += 1
                    engine = Engine(configuration: configuration)
                }
                engine.expire(now: now, effects: &effects)
            }
            #expect(refused > 0)
        }
    }

    /// What a driver may do in one system call: the same to pages that lie, and came, behind each other.
    @Test func effectsOnAdjacentPagesContinueEachOther() {
        func install(_ page: UInt32, _ index: Int, writable: Bool = false) -> Effect {
            .install(PageNumber(page), writable: writable, from: .received(index: index))
        }
        #expect(install(12, 5).continues(install(10, 3), by: 2))
        #expect(!install(12, 5).continues(install(10, 4), by: 2))
        #expect(!install(12, 5, writable: true).continues(install(10, 3), by: 2))
        #expect(!install(13, 5).continues(install(10, 3), by: 2))
        #expect(!Effect.install(PageNumber(11), writable: false, from: .zero).continues(install(10, 3), by: 1))
        #expect(Effect.protect(PageNumber(8)).continues(.protect(PageNumber(7)), by: 1))
        #expect(Effect.drop(PageNumber(9)).continues(.drop(PageNumber(7)), by: 2))
        #expect(!Effect.drop(PageNumber(8)).continues(.protect(PageNumber(7)), by: 1))
        #expect(!Effect.wake(PageNumber(8)).continues(.wake(PageNumber(7)), by: 1))
    }
}
