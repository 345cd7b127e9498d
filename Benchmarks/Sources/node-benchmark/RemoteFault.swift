import Coherence
import Hypervisor
import Interconnect
import Node

/// Two nodes joined over 127.0.0.1. Node 1's guest has written every page of its data, so that node 1 owns them alone;
/// node 0's guest reads one word of a page at a time, in an order that no prefetch follows, and keeps the time of each read.
final class RemoteFault {
    static let readsPerRun: UInt32 = 500
    /// As many runs as no page is read twice.
    static let runs = Int(dataMiB << 8 / 2 / readsPerRun / 2)

    private static let dataMiB: UInt32 = 256
    /// In pages: even, so that odd pages stay out of it, and no two reads in a row are near each other.
    private static let stride: UInt32 = 2 * 1031
    private static let samples: UInt32 = 0x10_0000

    private let reader: LoopNode
    private let writer: LoopNode
    private let nanosecondsPerTick: Double
    /// Faults that needed the other node, from reading the event to waking the processor.
    private(set) var remoteFaults: UInt64 = 0
    private(set) var meanInLoop = 0.0

    init() throws {
        let slice = Int(Self.dataMiB) + 2
        let writerBase = UInt64(slice) << 20
        let data = (local: Program.dataOffset, remote: UInt32(writerBase) + Program.dataOffset)
        var reading = Program()
        reading.beginTour()
        let begin = reading.bytes.count
        for data in [data.local, data.remote] {
            reading.mark()
            reading.timedReads(
                Self.readsPerRun, stride: Self.stride, from: data, size: Self.dataMiB << 20, samples: Self.samples)
        }
        reading.again(from: begin)
        var writing = Program()
        writing.mark()
        writing.incrementEach(4096, from: data.remote, size: Self.dataMiB << 20)
        writing.again()

        let links = try join()
        let slices = [slice, slice]
        reader = try LoopNode(
            node: 0, slices: slices, links: [nil, links.0], base: 0, program: reading, cacheMiB: Int(Self.dataMiB) + 2)
        writer = try LoopNode(node: 1, slices: slices, links: [links.1, nil], base: writerBase, program: writing, idle: 1)
        nanosecondsPerTick = calibrate()
        try reader.populate(0)
        for page in 0...(Self.readsPerRun * 16) >> 12 { try reader.populate(UInt64(Self.samples >> 12 + page)) }
        // One page of each block of the local data is there, so that the loop fills the others one by one.
        for block in 0..<Self.dataMiB / 2 { try reader.populate(UInt64(data.local >> 12 + block * 512 + 511)) }
        reader.start()
        writer.start()
        _ = writer.guest.run()
    }

    /// Times of faults that this node's own loop resolves, and of faults that need the other node.
    func run(local: inout Times, remote: inout Times) throws {
        _ = reader.guest.run()
        take(into: &local)
        let before = reader.loop.snapshot()
        _ = reader.guest.run()
        take(into: &remote)
        guard let before, let after = reader.loop.snapshot() else { fail("the loop does not answer") }
        remoteFaults += after.statistics.remoteFaults - before.statistics.remoteFaults
        let count = after.faultTimes.count - before.faultTimes.count
        let total = after.faultTimes.totalNanoseconds - before.faultTimes.totalNanoseconds
        meanInLoop += Double(total) / Double(max(count, 1)) / Double(Self.runs)
    }

    func stop() {
        reader.stop()
        writer.stop()
    }

    private func take(into times: inout Times) {
        // The guest stands at a mark and the pages are this node's own.
        var words = [UInt64](repeating: 0, count: Int(Self.readsPerRun * 2 + 511) / 512 * 512)
        unsafe words.withUnsafeMutableBytes { bytes in
            for page in 0..<bytes.count / 4096 {
                unsafe reader.memory.copyOut(UInt64(Int(Self.samples >> 12) + page), to: bytes.baseAddress! + page * 4096)
            }
        }
        for read in 0..<Int(Self.readsPerRun) {
            times.add(Double(words[read * 2 + 1] &- words[read * 2]) * nanosecondsPerTick)
        }
    }
}

/// The coherence links between node 0 and node 1, made as nodes make them. The control connections are not needed.
private func join() throws -> (CoherenceLink, CoherenceLink) {
    let ports = try (0..<2).map { _ in try Socket.listening(at: SocketAddress("127.0.0.1:0")).localAddress().port }
    let addresses = try ports.map { try SocketAddress("127.0.0.1:\($0)") }
    let first = Joined()
    let thread = NodeThread("join") { first.link = Result { try connect(0, addresses) } }
    let second = Result { try connect(1, addresses) }
    thread.join()
    guard let link = first.link else { fail("node 0 did not join") }
    return (try link.get(), try second.get())
}

// SAFETY: read after the thread that writes it has ended.
private final class Joined: @unchecked Sendable {
    var link: Result<CoherenceLink, any Error>?
}

private func connect(_ node: UInt8, _ addresses: [SocketAddress]) throws -> CoherenceLink {
    var random = SystemRandomNumberGenerator()
    guard let key = ClusterKey(bytes: [UInt8](0..<32)), let hash = FirmwareHash(bytes: [UInt8](repeating: 0xA5, count: 32)) else {
        fail("no key")
    }
    let identity = try NodeIdentity(index: node, count: 2, kit: "benchmark", firmwareHash: hash, random: &random)
    let links = try Mesh.establish(
        MeshConfiguration(
            identity: identity, key: key,
            reach: .fixed(listen: addresses[Int(node)], peers: [1 - node: addresses[Int(1 - node)]]), patience: 10_000_000_000),
        log: { _ in })
    return CoherenceLink(links[0].takeCoherence(), peer: NodeID(1 - node))
}

/// Nanoseconds a tick of the time-stamp counter.
private func calibrate() -> Double {
    let (time, ticks) = (monotonicNow(), hostTimestamp())
    while monotonicNow() - time < 50_000_000 {}
    return Double(monotonicNow() - time) / Double(hostTimestamp() - ticks)
}
