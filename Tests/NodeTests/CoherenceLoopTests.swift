import Contract
import Platform
import Glibc
import KVM
import TestSupport
import Testing

@testable import Coherence
@testable import Interconnect
@testable import Node

/// The loop's thread without a guest.
@Suite(.enabled(if: hasKVM, needsKVM), .timeLimit(.minutes(1)))
struct CoherenceLoopTests {
    /// Node 0's loop of a machine of two, and both ends of its connection to node 1.
    private func makeLoop() throws -> (CoherenceLoop<Connection>, pair: (Int32, Int32)) {
        let pair = socketPair()
        let memory = try GuestMemory(size: 2 << 20)
        let half: UInt32 = 256
        let homes = try HomeMap([
            HomeMap.Range(first: PageNumber(0), count: half, home: NodeID(0)),
            HomeMap.Range(first: PageNumber(half), count: half, home: NodeID(1)),
        ])
        let channel = PageChannel(try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .coherence), nodes: 2)
        let loop = try CoherenceLoop(
            configuration: EngineConfiguration(
                node: NodeID(0), nodeCount: 2, homes: homes, cacheLimit: Int(half), minimumHold: 0, policies: .none),
            memory: memory, forgetter: nil, channels: [nil, channel], processors: [], onLoss: { _, _ in }, onFailure: { _ in }, log: { _ in })
        return (loop, pair)
    }

    /// The loop outranks every ordinary thread: one that turns round and round once a peer has gone, or has sent what no
    /// frame begins with, would keep the node from ending.
    @Test(arguments: [[], [UInt8](repeating: 0xEE, count: 64)]) func theLoopOfADeadMachineSleeps(lastWords: [UInt8]) throws {
        let (loop, pair) = try makeLoop()
        loop.drain()
        let used = onThread { () -> UInt64 in
            loop.run()
            var time = timespec()
            unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
        _ = try #require(loop.snapshot(), "the loop runs")
        if lastWords.isEmpty { close(pair.1) } else { _ = unsafe write(pair.1, lastWords, lastWords.count) }
        usleep(500_000)
        loop.quit()
        let nanoseconds = try #require(used.wait(seconds: 10))
        #expect(nanoseconds < 100_000_000, "half a second took \(nanoseconds) ns of processor time")
        if !lastWords.isEmpty { close(pair.1) }
    }

    /// A snapshot shows the policies ordered before it, though other threads ask for snapshots all the time.
    @Test func aSnapshotComesAfterTheOrdersBeforeIt() throws {
        let (loop, pair) = try makeLoop()
        defer { close(pair.1) }
        let ran = onThread { loop.run() }
        let others = (0..<2).map { _ in onThread { (0..<300).filter { _ in loop.snapshot() == nil }.count } }
        for round in 0..<300 {
            let policies = PolicySet(rawValue: UInt32(round)).intersection(.all)
            loop.use(policies)
            #expect(loop.snapshot()?.policies == policies)
        }
        for other in others { #expect(other.wait(seconds: 20) == 0) }
        loop.quit()
        _ = try #require(ran.wait(seconds: 10))
    }

    /// A link goes down under load: what has been said waits for the next stream, and the poller is not asked about a socket that there is no more.
    @Test func aLinkThatIsInterruptedWhileItsSocketIsFullWaitsForTheNext() throws {
        let pair = socketPair(), memory = try GuestMemory(size: 2 << 20)
        try memory.zeroFill(PageNumber(0), count: 16)
        let channel = PageChannel(try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .coherence), nodes: 2)
        let poller = try Poller()
        try poller.add(channel.fileDescriptor, as: 1)
        func isFull() throws -> Bool {
            for _ in 0..<200 {
                channel.send(Message(.prefetchReply, PageNumber(0), mask: 0xFFFF), PageSelection(first: PageNumber(0), mask: 0xFFFF), memory: memory)
                guard try channel.flush(poller, number: 1) == nil else { return false }
            }
            return channel.overflowed > 0
        }
        // Which says what it waits for, and then reads nothing.
        var peer: Connection? = try Connection(adopting: Socket(adopting: pair.1), peer: 0, role: .coherence)
        _ = peer?.flush()
        _ = channel.poll()
        #expect(try isFull())
        peer = nil
        guard case .interrupted = channel.poll() else { Issue.record("its peer is gone"); return }
        #expect(channel.fileDescriptor < 0)
        #expect(try channel.flush(poller, number: 1) == nil && isFull())
    }

    /// A peer whose message makes no sense is lost once, and what it has sent behind it is not looked at.
    @Test func aPeerThatMakesNoSenseIsLostOnce() throws {
        let losses = Log()
        let wire = try MemoryWire(credits: 4)
        let memory = try GuestMemory(size: 2 << 20)
        let homes = try HomeMap([HomeMap.Range(first: PageNumber(0), count: 256, home: NodeID(0)), HomeMap.Range(first: PageNumber(256), count: 256, home: NodeID(1))])
        let loop = try CoherenceLoop(
            configuration: EngineConfiguration(node: NodeID(0), nodeCount: 2, homes: homes, cacheLimit: 256),
            memory: memory, forgetter: nil, channels: [nil, PageChannel(wire.end(0, peer: 1), nodes: 2)], processors: [],
            onLoss: { node, why in losses("\(node.rawValue) \(why)") }, onFailure: { losses("\($0)") }, log: { _ in })
        var peer = wire.end(1, peer: 0)
        for _ in 0..<3 {
            let room = unsafe try #require(peer.reserve(flags: [], bodyLength: Message.encodedSize, contentsLength: 0))
            unsafe _ = memset(room.body.baseAddress!, 0xEE, room.body.count)
            peer.commit()
        }
        _ = peer.flush()
        let ran = onThread { loop.run() }
        for _ in 0..<200 where losses.all.isEmpty { usleep(10_000) }
        usleep(50_000)
        loop.quit()
        _ = try #require(ran.wait(seconds: 10))
        #expect(losses.all == ["1 a coherence message that no node of this machine can send"])
    }
}
