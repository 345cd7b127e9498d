import Testing

@testable import CoherenceSimulation

@Suite struct ReliableChannelTests {
    /// Whatever is lost, doubled or overtaken: each payload comes once, in order.
    @Test func everythingComesOnceAndInOrder() {
        var random = SplitMix64(state: 1)
        var channel = ReliableChannel<Int>(timeout: 10)
        var wire = (0..<200).map { channel.send($0, now: 0) }
        var received: [Int] = []
        var now: UInt64 = 0
        while received.count < 200, now < 1_000_000 {
            wire.shuffle(using: &random)
            for segment in wire where random.below(3) > 0 {
                received += channel.receive(segment)
                received += channel.receive(segment)
            }
            if random.below(2) == 0 { channel.acknowledge(channel.acknowledgement, now: now) }
            guard let time = channel.retransmitAt else { break }
            now = time
            wire = channel.retransmit(now: now).map { [$0] } ?? []
        }
        #expect(received == Array(0..<200))
        channel.acknowledge(channel.acknowledgement, now: now)
        #expect(channel.retransmitAt == nil)
    }

    /// Each retransmission waits twice as long, up to a limit, and an acknowledgement ends that.
    @Test func retransmissionsBackOff() {
        var channel = ReliableChannel<Int>(timeout: 10)
        let first = channel.send(0, now: 0)
        #expect(channel.retransmit(now: 9) == nil)
        #expect(channel.retransmit(now: 10)?.sequence == first.sequence)
        #expect(channel.retransmitAt == 30)
        for _ in 0..<20 { _ = channel.retransmit(now: channel.retransmitAt ?? 0) }
        let waits = channel.retransmitAt ?? 0
        _ = channel.retransmit(now: waits)
        #expect(channel.retransmitAt == waits + channel.longestTimeout)
        channel.acknowledge(1, now: waits)
        #expect(channel.retransmitAt == nil)
        _ = channel.send(1, now: waits)
        #expect(channel.retransmitAt == waits + 10)
    }
}
