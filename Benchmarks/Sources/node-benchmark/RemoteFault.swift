import Coherence
import Hypervisor
import Interconnect
import Node

/// Two nodes joined over 127.0.0.1, each in a process of its own. Node 1's guest has written every page of its data, so
/// that node 1 owns them alone; node 0's guest reads one word of a page at a time, in an order that no prefetch follows, and
/// keeps the time of each read.
final class RemoteFault {
    static let readsPerRun: UInt32 = 500
    /// As many runs as no page is read twice.
    static let runs = Int(dataMiB << 8 / 2 / readsPerRun / 2)

    private static let dataMiB: UInt32 = 256
    private static let slices = [Int(dataMiB) + 2, Int(dataMiB) + 2]
    private static let ownerBase = UInt64(slices[0]) << 20
    /// In pages: even, so that odd pages stay out of it, and no two reads in a row are near each other.
    private static let stride: UInt32 = 2 * 1031
    private static let samples: UInt32 = 0x10_0000

    private let owner: Owner
    private let reader: LoopNode
    private let nanosecondsPerTick: Double
    /// Faults that needed the other node, from reading the event to waking the processor.
    private(set) var remoteFaults: UInt64 = 0
    private(set) var meanInLoop = 0.0

    init() throws {
        var program = Program()
        program.beginTour()
        let begin = program.bytes.count
        let local = Program.dataOffset
        for data in [local, UInt32(Self.ownerBase) + Program.dataOffset] {
            program.mark()
            program.timedReads(
                Self.readsPerRun, stride: Self.stride, from: data, size: Self.dataMiB << 20, samples: Self.samples)
        }
        program.again(from: begin)
        nanosecondsPerTick = calibrate()
        owner = try Owner()
        let link = try join(0, ports: owner.ports)
        reader = try LoopNode(
            node: 0, slices: Self.slices, links: [nil, link], base: 0, program: program, cacheMiB: Int(Self.dataMiB) + 2)
        try reader.populate(0)
        for page in 0...(Self.readsPerRun * 16) >> 12 { try reader.populate(UInt64(Self.samples >> 12 + page)) }
        // One page of each block of the local data is there, so that the loop fills the others one by one.
        for block in 0..<Self.dataMiB / 2 { try reader.populate(UInt64(local >> 12 + block * 512 + 511)) }
        reader.start()
        try owner.waitUntilWritten()
    }

    /// Node 1, the process that `Owner` starts: says "written" and ends when its input does. A second processor stays halted.
    static func runOwner(ports: [UInt16]) throws {
        var program = Program()
        program.mark()
        program.incrementEach(4096, from: UInt32(ownerBase) + Program.dataOffset, size: dataMiB << 20)
        program.again()
        let link = try join(1, ports: ports)
        let node = try LoopNode(node: 1, slices: slices, links: [link, nil], base: ownerBase, program: program, idle: 1)
        node.start()
        _ = node.guest.run()
        try Owner.sayWritten()
        node.stop()
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

    func stop() throws {
        reader.stop()
        try owner.stop()
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

/// The coherence link from `node` to the other, made as nodes make it. The control connection is not needed.
private func join(_ node: UInt8, ports: [UInt16]) throws -> CoherenceLink {
    var random = SystemRandomNumberGenerator()
    guard let key = ClusterKey(bytes: [UInt8](0..<32)), let hash = FirmwareHash(bytes: [UInt8](repeating: 0xA5, count: 32)) else {
        fail("no key")
    }
    let addresses = try ports.map { try SocketAddress("127.0.0.1:\($0)") }
    let identity = try NodeIdentity(index: node, count: 2, kit: "benchmark", firmwareHash: hash, random: &random)
    let links = try Mesh.establish(
        MeshConfiguration(
            identity: identity, key: key,
            reach: .fixed(listen: addresses[Int(node)], peers: [1 - node: addresses[Int(1 - node)]]), patience: 10_000_000_000),
        log: { _ in })
    return CoherenceLink(links[0].takeCoherence(), peer: NodeID(1 - node), nodes: 2)
}

/// Nanoseconds a tick of the time-stamp counter.
private func calibrate() -> Double {
    let (time, ticks) = (monotonicNow(), hostTimestamp())
    while monotonicNow() - time < 50_000_000 {}
    return Double(monotonicNow() - time) / Double(hostTimestamp() - ticks)
}
