import Contract
import Glibc
import Platform
import TestSupport
import Testing

@testable import Interconnect

/// What the coherence loop relies on, of every link.
struct PageLinkTests {
    @Test func tcpKeepsThePromises() throws {
        let pair = socketPair()
        try checkOrderAndContents(
            try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .coherence),
            try Connection(adopting: Socket(adopting: pair.1), peer: 0, role: .coherence))
    }

    @Test(arguments: [1, 3]) func buffersInMemoryKeepThePromises(credits: Int) throws {
        let wire = try MemoryWire(credits: credits)
        try checkOrderAndContents(wire.end(0, peer: 1), wire.end(1, peer: 0))
    }

    /// 500 messages, some with pages: as many at a time as there is room for. They arrive whole and in order, the descriptor tells of
    /// them, a link without room says so and has room again when the peer has polled, and the end of a peer is a value.
    private func checkOrderAndContents<Link: PageLink & ~Copyable>(_ one: consuming Link, _ other: consuming Link) throws {
        var poller = try Poller()
        try poller.add(other.fileDescriptor, as: 7)
        var sent = 0
        var received = 0
        var refusals = 0
        while received < 500 {
            while sent < 500 {
                let size = Self.size(sent)
                guard let room = unsafe one.reserve(flags: [], bodyLength: 24, contentsLength: size) else { break }
                unsafe room.body.storeBytes(of: UInt64(sent), as: UInt64.self)
                unsafe room.payload.copyBytes(from: Self.contents(sent))
                one.commit()
                sent += 1
            }
            if sent < 500 { refusals += 1 }
            if case .lost(let loss) = one.flush() { Issue.record("lost: \(loss)") }
            #expect(try poller.wait(timeout: 1_000_000_000) == 1, "the descriptor tells of \(sent - received) messages")
            arrivals: while true {
                switch other.poll() {
                case .message(let delivery):
                    let (number, length) = unsafe (delivery.unsafeBody.load(as: UInt64.self), delivery.unsafeBody.count)
                    let contents = unsafe [UInt8](delivery.unsafeContents)
                    #expect(number == UInt64(received) && length == 24)
                    #expect(contents == Self.contents(received), "contents of message \(received)")
                    received += 1
                case .empty: break arrivals
                case .interrupted(let loss), .lost(let loss):
                    Issue.record("lost: \(loss)")
                    return
                }
            }
            if other.hasOutput { _ = other.flush() }
            // A link whose room is told of by its own descriptor learns of it by polling.
            guard case .empty = one.poll() else { return #expect(Bool(false), "nothing was sent to this end") }
        }
        #expect(refusals > 0, "more was to be sent than there was room for")
        #expect(one.counters.framesSent == 500 && other.counters.framesReceived == 500)
        finish(one)
        #expect(try poller.wait(timeout: 1_000_000_000) == 1, "the descriptor tells of the end")
        switch other.poll() {
        case .lost(.closed), .interrupted(.closed): break
        default: Issue.record("a peer that has gone is told of")
        }
    }

    private func finish<Link: PageLink & ~Copyable>(_ link: consuming Link) {}

    private static func size(_ number: Int) -> Int { number % 3 == 0 ? 0 : number % 16 * 4096 }

    private static func contents(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: size(number)) }
}
