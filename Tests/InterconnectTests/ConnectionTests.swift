import Contract
import Platform
import Glibc
import TestSupport
import Testing

@testable import Interconnect

@Suite struct ConnectionTests {
    private func page(_ seed: UInt64) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        return randomBytes(FrameHeader.pageSize, &random)
    }

    @Test func bodiesAndPagesArriveInOrderAndWhole() throws {
        var pair = try ConnectionPair(.coherence)
        var random = SeededGenerator(seed: 1)
        var sent: [([UInt8], [UInt8])] = []
        var received = 0
        for _ in 0..<400 {
            let body = randomBytes(Int.random(in: 0...32, using: &random), &random)
            let pages = [0, 0, 1, 1, 2, 16].randomElement(using: &random)!
            let payload = (0..<pages).flatMap { page(UInt64($0)) }
            if pair.near.enqueue(.coherence, flags: pages > 1 ? [.differences] : [], body: body, payload: payload) {
                sent.append((body, payload))
            }
            _ = pair.near.flush()
            _ = pair.far.fill()
            while let frame = try pair.far.nextFrame() {
                #expect(frame.header.sequence == UInt64(received))
                #expect(frame.bodyBytes == sent[received].0)
                #expect(frame.payloadBytes == sent[received].1)
                #expect(frame.header.flags.contains(.differences) == (frame.payloadBytes.count > 4096))
                received += 1
            }
        }
        #expect(received == sent.count)
        #expect(pair.near.counters.bytesSent == pair.far.counters.bytesReceived)
    }

    @Test func fullRingIsAValueAndQueuesNothing() throws {
        var pair = try ConnectionPair(.coherence, sendCapacity: 80 * 1024)
        let payload = page(1)
        var queued = 0
        while pair.near.enqueue(.coherence, body: [1], payload: payload) { queued += 1 }
        #expect(queued == 80 * 1024 / (FrameHeader.byteCount + 1 + 4096))
        var arrived = 0
        while arrived < queued {
            _ = pair.near.flush()
            _ = pair.far.fill()
            while try pair.far.nextFrame() != nil { arrived += 1 }
        }
        #expect(try pair.far.nextFrame() == nil)
        var again = 0
        while pair.near.enqueue(.coherence, body: [1], payload: payload) { again += 1 }
        #expect(again == queued, "the ring has all of its room back")
    }

    @Test func blockedSocketIsAValueAndNothingIsLost() throws {
        var pair = try ConnectionPair(.coherence, sendCapacity: 4 << 20)
        let payload = (0..<16).flatMap { page($0) }
        var queued = 0
        while pair.near.enqueue(.coherence, body: [UInt8(queued & 0xFF)], payload: payload) { queued += 1 }
        #expect(pair.near.flush() == .wouldBlock)
        var arrived = 0
        while arrived < queued {
            _ = pair.near.flush()
            _ = pair.far.fill()
            while let frame = try pair.far.nextFrame() {
                #expect(frame.bodyBytes == [UInt8(arrived & 0xFF)])
                #expect(frame.payloadBytes == payload)
                arrived += 1
            }
        }
        #expect(pair.near.flush() == .drained)
    }

    @Test func framesBeforeTheEndAreDeliveredAndThenTheLossIsReported() throws {
        let pair = socketPair()
        var near = try Connection(adopting: Socket(adopting: pair.1), peer: 0, role: .control)
        do {
            var far = try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .control)
            let queued = far.enqueue(.heartbeat, body: [9])
            #expect(queued && far.flush() == .drained)
        }
        guard case .received = near.fill() else {
            Issue.record("the heartbeat did not arrive")
            return
        }
        #expect(try near.nextFrame()?.bodyBytes == [9])
        #expect(near.fill() == .lost(.closed))
        #expect(near.fill() == .lost(.closed))
        _ = near.enqueue(.heartbeat, body: [])
        guard case .lost = near.flush() else {
            Issue.record("flush to a closed peer reports no loss")
            return
        }
    }

    @Test func resetIsALoss() throws {
        let listener = try Socket.listening(at: SocketAddress("127.0.0.1:0"))
        let address = try listener.localAddress()
        var accepted: Socket?
        do {
            let dialer = try Socket.connecting(to: address)
            for _ in 0..<1000 where accepted == nil {
                accepted = listener.accept()
                usleep(1000)
            }
            // Lingering for no time makes close send a reset.
            var linger = linger(l_onoff: 1, l_linger: 0)
            // SAFETY: the option's value is the structure whose size is given.
            let result = unsafe setsockopt(
                dialer.fileDescriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
            #expect(result == 0)
        }
        var near = try Connection(adopting: try taken(accepted.take()), peer: 0, role: .control)
        var outcome = near.fill()
        for _ in 0..<1000 where outcome == .received(0) {
            usleep(1000)
            outcome = near.fill()
        }
        #expect(outcome == .lost(.ended(.reset)))
    }

    @Test func aFrameLentStaysValidWhileSendingAndFilling() throws {
        var pair = try ConnectionPair(.coherence)
        let first = page(1)
        let second = page(2)
        _ = pair.near.enqueue(.coherence, body: [1], payload: first)
        _ = pair.near.flush()
        _ = pair.far.fill()
        let frame = try #require(try pair.far.nextFrame())
        _ = pair.near.enqueue(.coherence, body: [2], payload: second)
        _ = pair.near.flush()
        _ = pair.far.fill()
        _ = pair.far.enqueue(.coherence, body: [3], payload: second)
        #expect(frame.payloadBytes == first)
        #expect(try pair.far.nextFrame()?.payloadBytes == second)
    }

    /// Everything a hostile or broken peer can put into a header.
    @Test func malformedHeadersEndTheConnection() throws {
        let good = FrameHeader(kind: .coherence, bodyLength: 8, payloadLength: 4096, sequence: 0).bytes
        func changed(_ offset: Int, _ value: [UInt8]) -> [UInt8] {
            var bytes = good
            bytes.replaceSubrange(offset..<offset + value.count, with: value)
            return bytes
        }
        let cases: [([UInt8], FrameError)] = [
            (changed(0, [0]), .magic(0x504D_5300)),
            (changed(4, [9]), .version(9)),
            (changed(6, [99]), .kind(99)),
            (changed(6, [2]), .wrongConnection(.heartbeat, .coherence)),
            (changed(7, [0x82]), .flags(0x82)),
            (changed(8, [33]), .lengths(.coherence, body: 33, payload: 4096)),
            (changed(10, [1]), .reserved),
            (changed(12, [1]), .lengths(.coherence, body: 8, payload: 4097)),
            (changed(12, [0, 0, 2]), .lengths(.coherence, body: 8, payload: 131072)),
            (changed(12, [0xFF, 0xFF, 0xFF, 0xFF]), .lengths(.coherence, body: 8, payload: .max)),
            (changed(16, [5]), .sequence(expected: 0, found: 5)),
        ]
        for (bytes, error) in cases {
            let pair = socketPair()
            var near = try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .coherence)
            let far = Socket(adopting: pair.1)
            #expect(far.write(bytes) == bytes.count)
            _ = near.fill()
            #expect(throws: error) { try Self.next(&near) }
            #expect(near.fill() == .lost(.malformed(error)))
        }
    }

    private static func next(_ connection: inout Connection) throws(FrameError) {
        _ = try connection.nextFrame()
    }

    @Test func truncatedFramesWaitAndRandomBytesNeverCrash() throws {
        let whole =
            FrameHeader(kind: .coherence, bodyLength: 8, payloadLength: 4096, sequence: 0).bytes
            + [UInt8](repeating: 7, count: 4104)
        for length in [0, 1, 23, 24, 31, 32, 4127] {
            let pair = socketPair()
            var near = try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .coherence)
            let far = Socket(adopting: pair.1)
            _ = far.write(Array(whole.prefix(length)))
            _ = near.fill()
            #expect(try near.nextFrame() == nil)
            _ = far.write(Array(whole.dropFirst(length)))
            _ = near.fill()
            #expect(try near.nextFrame()?.payloadBytes.count == 4096)
        }
        var random = SeededGenerator(seed: 3)
        for _ in 0..<300 {
            FrameStream.exercise(randomBytes(Int.random(in: 0...200, using: &random), &random))
            var mutated = whole
            for _ in 0..<3 {
                mutated[Int.random(in: 0..<32, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            FrameStream.exercise(mutated)
        }
    }

    @Test func sixtyFourMebibytesOfPagesCrossLoopbackUnchanged() throws {
        let listener = try Socket.listening(at: SocketAddress("127.0.0.1:0"))
        let dialer = try Socket.connecting(to: listener.localAddress())
        var accepted: Socket?
        for _ in 0..<1000 where accepted == nil {
            accepted = listener.accept()
            usleep(1000)
        }
        var near = try Connection(adopting: dialer, peer: 1, role: .coherence)
        var far = try Connection(adopting: try taken(accepted.take()), peer: 0, role: .coherence)
        let total: UInt64 = 16384
        let contents = page(4)
        let start = monotonicNow()
        var queued: UInt64 = 0
        var arrived: UInt64 = 0
        var wrong = 0
        while arrived < total {
            while queued < total, near.enqueue(.coherence, body: [UInt8(queued & 0xFF)], payload: contents) {
                queued += 1
            }
            _ = near.flush()
            _ = far.fill()
            while let frame = try far.nextFrame() {
                if frame.bodyBytes != [UInt8(arrived & 0xFF)] { wrong += 1 }
                if arrived % 256 == 0, frame.payloadBytes != contents { wrong += 1 }
                arrived += 1
            }
        }
        #expect(wrong == 0)
        let microseconds = (monotonicNow() - start) / 1000
        print("64 MiB in 4 KiB frames over loopback, one thread: \(microseconds) us")
    }
}

/// The socket that a test cannot go on without (#require takes no noncopyable value).
private func taken(_ socket: consuming Socket?) throws -> Socket {
    guard let socket else { throw SystemError("accept", on: "127.0.0.1", code: EAGAIN) }
    return socket
}
