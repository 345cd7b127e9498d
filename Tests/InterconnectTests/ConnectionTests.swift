import Bytes
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
            try pair.carry { frame in
                #expect(frame.bodyBytes == sent[received].0)
                #expect(frame.payloadBytes == sent[received].1)
                #expect(frame.flags.contains(.differences) == (frame.payloadBytes.count > 4096))
                received += 1
            }
        }
        while received < sent.count { try pair.carry { _ in received += 1 } }
        #expect(pair.near.counters.bytesSent == pair.far.counters.bytesReceived)
    }

    @Test func fullRingIsAValueAndQueuesNothing() throws {
        var pair = try ConnectionPair(.coherence, sendCapacity: 80 * 1024)
        let payload = page(1)
        var queued = 0
        while pair.near.enqueue(.coherence, body: [1], payload: payload) { queued += 1 }
        #expect(queued == (80 * 1024 + SecureStream.acknowledgedAt) / (FrameHeader.byteCount + 1 + 4096))
        var arrived = 0
        while arrived < queued { try pair.carry { _ in arrived += 1 } }
        #expect(try pair.far.nextFrame() == nil)
        // What was not acknowledged yet still has its place.
        try pair.carry { _ in }
        var again = 0
        while pair.near.enqueue(.coherence, body: [1], payload: payload) { again += 1 }
        #expect(again >= 80 * 1024 / (FrameHeader.byteCount + 1 + 4096), "the ring has its room back")
    }

    @Test func blockedSocketIsAValueAndNothingIsLost() throws {
        var pair = try ConnectionPair(.coherence, sendCapacity: 4 << 20)
        let payload = (0..<16).flatMap { page($0) }
        var queued = 0
        while pair.near.enqueue(.coherence, body: [UInt8(queued & 0xFF)], payload: payload) { queued += 1 }
        _ = pair.near.fill()
        #expect(try pair.near.nextFrame() == nil)
        #expect(pair.near.flush() == .wouldBlock)
        var arrived = 0
        while arrived < queued {
            try pair.carry { frame in
                #expect(frame.bodyBytes == [UInt8(arrived & 0xFF)])
                #expect(frame.payloadBytes == payload)
                arrived += 1
            }
        }
        #expect(pair.near.flush() == .drained)
    }

    @Test func framesBeforeTheEndAreDeliveredAndThenTheInterruptionIsTold() throws {
        let pair = socketPair()
        var near = try Connection(adopting: Socket(adopting: pair.1), peer: 0, role: .control)
        do {
            var far = try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .control)
            let queued = far.enqueue(.heartbeat, body: [9])
            _ = far.fill()
            #expect(try far.nextFrame() == nil)
            #expect(queued && far.flush() == .drained)
        }
        guard case .received = near.fill() else {
            Issue.record("the heartbeat did not arrive")
            return
        }
        #expect(try near.nextFrame()?.bodyBytes == [9])
        #expect(near.fill() == .interrupted(.closed))
        #expect(near.fill() == .received(0), "it is told once")
        _ = near.enqueue(.heartbeat, body: [])
        #expect(near.flush() == .drained, "frames wait for the next stream")
        #expect(near.fileDescriptor == -1)
    }

    @Test func resetIsAnInterruption() throws {
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
        #expect(outcome == .interrupted(.ended(.reset)))
    }

    @Test func aFrameLentStaysValidWhileSendingAndFilling() throws {
        var pair = try ConnectionPair(.coherence)
        let first = page(1)
        let second = page(2)
        try pair.carry { _ in }
        _ = pair.near.enqueue(.coherence, body: [1], payload: first)
        _ = pair.near.fill()
        #expect(try pair.near.nextFrame() == nil)
        _ = pair.near.flush()
        _ = pair.far.fill()
        let frame = try #require(try pair.far.nextFrame())
        _ = pair.near.enqueue(.coherence, body: [2], payload: second)
        _ = pair.near.flush()
        _ = pair.far.fill()
        _ = pair.far.enqueue(.coherence, body: [3], payload: second)
        _ = pair.far.flush()
        #expect(frame.payloadBytes == first)
        #expect(try pair.far.nextFrame()?.payloadBytes == second)
    }

    /// Everything a hostile relay can put into a header before the record's code is looked at.
    @Test func headersAreCheckedBeforeTheirLengthsAreBelieved() throws {
        func made(_ kind: UInt8, _ flags: UInt8 = 0, body: UInt16 = 8, payload: UInt32 = 4096, record: UInt64 = 0) -> [UInt8] {
            let first = UInt64(kind) | UInt64(flags) << 8 | UInt64(body) << 16 | UInt64(payload) << 32
            let words = FrameHeader.words(firstWord: first, record: record, due: 0)
            return words.0.bytes() + words.1.bytes() + words.2.bytes()
        }
        let cases: [([UInt8], FrameError)] = [
            (made(99), .kind(99)),
            (made(2), .wrongConnection(.heartbeat, .coherence)),
            (made(1, 0x82), .flags(0x82)),
            (made(1, body: 33), .lengths(.coherence, body: 33, payload: 4096)),
            (made(1, payload: 4097), .lengths(.coherence, body: 8, payload: 4097)),
            (made(1, payload: 131072), .lengths(.coherence, body: 8, payload: 131072)),
            (made(1, payload: .max), .lengths(.coherence, body: 8, payload: .max)),
            (made(0, body: 1, payload: 0), .lengths(nil, body: 1, payload: 0)),
            (made(1, record: 5), .record(expected: 0, found: 5)),
        ]
        for (bytes, error) in cases {
            let pair = socketPair()
            var near = try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .coherence)
            let far = Socket(adopting: pair.1)
            #expect(far.write(bytes) == bytes.count)
            _ = near.fill()
            #expect(throws: ConnectionError.interrupted(.altered(error))) { try Self.next(&near) }
            #expect(near.fill() == .received(0))
        }
        let good = made(1)
        for bit in 0..<good.count * 8 {
            var bytes = good
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: FrameError.damaged(record: 0), "bit \(bit)") { try Self.parse(bytes) }
        }
    }

    private static func next(_ connection: inout Connection) throws(ConnectionError) {
        _ = try connection.nextFrame()
    }

    private static func parse(_ bytes: [UInt8]) throws(FrameError) -> FrameHeader {
        unsafe try FrameHeader.parse(bytes.span.bytes, role: .coherence, expectedRecord: 0)
    }

    @Test func truncatedFramesWaitAndRandomBytesNeverCrash() throws {
        let whole =
            FrameHeader(kind: .coherence, bodyLength: 8, payloadLength: 4096).bytes
            + [UInt8](repeating: 7, count: 4104 + SealingKey.tagLength)
        for length in [0, 1, 23, 24, 31, 32, 4128, 4143] {
            let pair = socketPair()
            var near = try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .coherence)
            let far = Socket(adopting: pair.1)
            _ = far.write(Array(whole.prefix(length)))
            _ = near.fill()
            #expect(try near.nextFrame() == nil)
            _ = far.write(Array(whole.dropFirst(length)))
            _ = near.fill()
            #expect(throws: ConnectionError.interrupted(.altered(.seal(record: 0)))) { try Self.next(&near) }
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

    /// What the kernel counts for a TCP stream outlives it, and each further stream is an interruption.
    @Test func whatWasSentAgainIsCountedOverAllStreams() throws {
        let listener = try Socket.listening(at: SocketAddress("127.0.0.1:0"))
        func accepted() throws -> Socket {
            for _ in 0..<1000 {
                if let socket = listener.accept() { return socket }
                usleep(1000)
            }
            return try taken(nil)
        }
        let dialer = try Socket.connecting(to: listener.localAddress())
        let deaf = try accepted()
        // A socket filter that lets nothing in (socket(7), SO_ATTACH_FILTER): BPF_RET | BPF_K with 0.
        var code: [UInt8] = [6, 0, 0, 0, 0, 0, 0, 0]
        // SAFETY: the tuple is a sock_fprog, whose one instruction lives through the call.
        let result = unsafe code.withUnsafeMutableBytes { code in
            var program = (UInt16(1), code.baseAddress!)
            return unsafe setsockopt(deaf.fileDescriptor, SOL_SOCKET, 26, &program, 16)
        }
        try #require(result == 0)
        // Its first record is sent again and again.
        var near = try Connection(adopting: dialer, peer: 1, role: .coherence)
        #expect(near.counters.interruptions == 0)
        for _ in 0..<1000 where near.counters.retransmissions == 0 { usleep(1000) }
        let before = near.counters.retransmissions
        #expect(before > 0)
        let next = try Socket.connecting(to: listener.localAddress())
        let far = try accepted()
        near.adopt(EstablishedStream(next, keys: .test), now: 0)
        #expect(near.counters.retransmissions >= before && near.counters.interruptions == 1)
        #expect(far.remote != nil && deaf.remote != nil)
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
            _ = far.flush()
            _ = near.fill()
            #expect(try near.nextFrame() == nil)
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
