import Contract
import TestSupport
import Testing
import Verbs

@testable import Interconnect

/// One end: a stream of records over a played adapter.
private final class End {
    var stream: SecureStream
    var messages: MessageStream<PlayedQueues>
    var received: [[UInt8]] = []
    var isBlocked = false

    init(_ queues: consuming PlayedQueues, _ keys: StreamKeys) throws {
        stream = try SecureStream(role: .coherence, sendCapacity: 8 << 20, receiveCapacity: 0)
        messages = try MessageStream(queues) { _ in }
        stream.begin(keys)
        flush()
    }

    func write(_ number: Int, pages: Int) -> Bool {
        guard let room = unsafe stream.reserve(.coherence, flags: [], bodyLength: 8, payloadLength: pages * 4096) else { return false }
        unsafe room.body.storeBytes(of: number, as: Int.self)
        for index in unsafe room.payload.indices { unsafe room.payload[index] = UInt8(truncatingIfNeeded: number &+ index) }
        stream.commit()
        return true
    }

    func flush() {
        while true {
            let output = unsafe stream.output()
            guard output.count > 0 else { return isBlocked = false }
            switch unsafe messages.send(output) {
            case .bytes(let count): stream.sent(count)
            case .wouldBlock: return isBlocked = true
            case .ended: return
            }
        }
    }

    /// As the coherence loop: only when the descriptor is readable, and then until nothing is left.
    func poll() throws -> ConnectionLoss? {
        while true {
            while let frame = try stream.nextFrame() { received.append(frame.bodyBytes + frame.payloadBytes) }
            switch messages.receive() {
            case .none: return nil
            case .ended(let loss): return loss
            case .message(let message): unsafe stream.received(message)
            }
        }
    }
}

private func ends(_ connection: PlayedConnection) throws -> (End, End) {
    let (one, other) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))
    return (
        try End(connection.queues(0), StreamKeys(send: one, receive: other, protection: .encrypted)),
        try End(connection.queues(1), StreamKeys(send: other, receive: one, protection: .encrypted))
    )
}

private func expected(_ number: Int, pages: Int) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } + (0..<pages * 4096).map { UInt8(truncatingIfNeeded: number &+ $0) }
}

private let failure = VerbsError("sending or receiving", on: "played0/1", state: "PORT_DOWN", .completion(status: 12, text: "transport retry counter exceeded"))

/// Records over an adapter that a test plays.
struct MessageStreamTests {
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func framesArriveOnceAndInOrderWhateverTheAdapterDelays(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let connection = PlayedConnection()
        let (one, other) = try ends(connection)
        var sent: [[Int]] = [[], []]
        for _ in 0..<3000 {
            let pages = [0, 0, 1, 1, 2, 16][Int.random(in: 0..<6, using: &random)]
            switch Int.random(in: 0..<8, using: &random) {
            case 0: if one.write(sent[0].count, pages: pages) { sent[0].append(pages) }
            case 1: if other.write(sent[1].count, pages: pages) { sent[1].append(pages) }
            case 2: one.flush()
            case 3: other.flush()
            case 4, 5: _ = connection.deliver(Int.random(in: 0...1, using: &random))
            case 6: if connection.ends[0].isReadable { #expect(try one.poll() == nil) }
            default: if connection.ends[1].isReadable { #expect(try other.poll() == nil) }
            }
        }
        // Nothing moves an end but its descriptor and what it has to send.
        var isMoving = true
        while isMoving {
            isMoving = connection.deliver(0) || connection.deliver(1)
            if connection.ends[0].isReadable {
                #expect(try one.poll() == nil)
                isMoving = true
            }
            if connection.ends[1].isReadable {
                #expect(try other.poll() == nil)
                isMoving = true
            }
            one.flush()
            other.flush()
            isMoving = isMoving || !connection.ends[0].sends.isEmpty || !connection.ends[1].sends.isEmpty
        }
        #expect(connection.unready == 0)
        #expect(other.received == sent[0].enumerated().map { expected($0.offset, pages: $0.element) })
        #expect(one.received == sent[1].enumerated().map { expected($0.offset, pages: $0.element) })
    }

    @Test func aPeerThatDoesNotListenIsNeverSentMoreThanItHasRoomFor() throws {
        let connection = PlayedConnection()
        let (one, other) = try ends(connection)
        for number in 0..<40 { #expect(one.write(number, pages: 16)) }
        while connection.deliver(1) {}
        #expect(try one.poll() == nil)
        for _ in 0..<40 {
            while connection.deliver(0) {}
            one.flush()
        }
        #expect(connection.unready == 0 && one.isBlocked && connection.ends[1].posted.count == 1)
        // It listens.
        while other.received.count < 40 {
            #expect(try other.poll() == nil)
            while connection.deliver(1) {}
            #expect(connection.ends[0].isReadable || !one.isBlocked)
            #expect(try one.poll() == nil)
            one.flush()
            while connection.deliver(0) {}
        }
        #expect(other.received == (0..<40).map { expected($0, pages: 16) } && connection.unready == 0)
    }

    @Test func shortRecordsShareAMessage() throws {
        let connection = PlayedConnection()
        let (one, other) = try ends(connection)
        while connection.deliver(0) || connection.deliver(1) {}
        #expect(try one.poll() == nil && other.poll() == nil)
        for number in 0..<100 { #expect(one.write(number, pages: 0)) }
        one.flush()
        #expect(connection.ends[0].sends.count == 1)
        while connection.deliver(0) {}
        #expect(try other.poll() == nil)
        #expect(other.received.count == 100)
    }

    @Test func whatCameBeforeAFailureIsTakenBeforeItIsTold() throws {
        let connection = PlayedConnection()
        let (one, other) = try ends(connection)
        while connection.deliver(0) || connection.deliver(1) {}
        #expect(try one.poll() == nil && other.poll() == nil)
        #expect(one.write(0, pages: 1))
        one.flush()
        while connection.deliver(0) {}
        connection.ends[1].complete(.failed(failure), isSolicited: true)
        #expect(connection.ends[1].isReadable)
        #expect(try other.poll() == .adapter(failure))
        #expect(other.received == [expected(0, pages: 1)])
        #expect("\(ConnectionLoss.adapter(failure))" == "sending or receiving on played0/1 (PORT_DOWN) failed: transport retry counter exceeded")
        #expect(unsafe other.messages.send(UnsafeRawBufferPointer(start: nil, count: 0)) == .ended(.adapter(failure)))
    }

    @Test func creditsThatTheOtherEndCannotHaveEndTheStream() throws {
        let connection = PlayedConnection()
        let (one, _) = try ends(connection)
        connection.ends[0].complete(.received(slot: 0, count: 0, immediate: 5), isSolicited: true)
        #expect(try one.poll() == .violation("it gives back 5 slots more than it has"))
    }

    @Test func aMessageEndsWithARecord() throws {
        let connection = PlayedConnection()
        let other = try ends(connection).1
        connection.ends[0].sends[0].count -= 1
        #expect(connection.deliver(0))
        #expect(throws: StreamError.altered(.short(39))) { try other.poll() }
    }

    @Test func anAddressOfAQueuePairReadsAsItWasWritten() {
        let address = QueuePairAddress(gid: Array(0..<16), number: 0x12_3456, firstPacket: 0xAB_CDEF, lid: 7, mtu: 3)
        let bytes = QueuePairAgreement.bytes(address)
        #expect(bytes.count == 28 && QueuePairAgreement.address(bytes) == address)
        for (offset, value) in [(19, UInt8(1)), (23, 1), (26, 0), (26, 6), (27, 1)] {
            var other = bytes
            other[offset] = value
            #expect(QueuePairAgreement.address(other) == nil)
        }
    }
}
