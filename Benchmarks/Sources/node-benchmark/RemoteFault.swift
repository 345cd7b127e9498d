import Platform
import Coherence
import Contract
import KVM
import Interconnect
import LoopbackCalibration
import Node

/// Two nodes joined over 127.0.0.1, each in a process of its own. Node 1's guest has written every page of its data, so
/// that node 1 owns them alone; node 0's guest reads or writes one word of a page at a time, in an order that no prefetch
/// follows, and keeps the time of each access.
final class RemoteFault {
    static let accessesPerRun: UInt32 = 500
    /// As many runs as no page is accessed twice.
    static let runs = Int(dataMiB << 8 / 2 / accessesPerRun / 3)

    private static let dataMiB: UInt32 = 256
    private static let slices = [Int(dataMiB) + 2, Int(dataMiB) + 2]
    private static let ownerBase = UInt64(slices[0]) << 20
    /// In pages: even, so that odd pages stay out of it, and no two accesses in a row are near each other.
    private static let stride: UInt32 = 2 * 1031
    private static let samples: UInt32 = 0x10_0000

    private let owner: Owner
    private let reader: LoopNode
    private let nanosecondsPerTick: Double
    /// Faults that needed the other node.
    private(set) var remoteFaults: UInt64 = 0
    /// Of reads: from reading the event to waking the processor, in nanoseconds.
    private(set) var meanInLoop = 0.0

    init(_ wire: Wire) throws {
        var program = GuestProgram()
        program.beginTour()
        let begin = program.bytes.count
        let local = GuestProgram.dataOffset
        let foreign = UInt32(Self.ownerBase) + GuestProgram.dataOffset
        for (access, data) in [(GuestProgram.Timed.read, local), (.read, foreign), (.write, foreign)] {
            program.mark()
            program.time(
                access, Self.accessesPerRun, stride: Self.stride, from: data, size: Self.dataMiB << 20, samples: Self.samples)
        }
        program.again(from: begin)
        nanosecondsPerTick = calibrate()
        owner = try Owner(wire)
        let link = try join(0, ports: owner.ports, wire)
        reader = try LoopNode(
            node: 0, slices: Self.slices, channels: [nil, link], base: 0, program: program, cacheMiB: Int(Self.dataMiB) + 2)
        try reader.populate(PageNumber(0))
        for page in 0...Self.accessesPerRun * 16 >> 12 { try reader.populate(PageNumber(Self.samples >> 12 + page)) }
        // One page of each block of the local data is there, so that the loop fills the others one by one.
        for block in 0..<Self.dataMiB / 2 { try reader.populate(PageNumber(UInt32(local >> 12 + block * 512 + 511))) }
        reader.start()
        try owner.waitUntilWritten()
    }

    /// Node 1, the process that `Owner` starts: says "written" and ends when its input does. A second processor stays halted.
    static func runOwner(_ wire: Wire, ports: [UInt16]) throws {
        var program = GuestProgram()
        program.mark()
        program.incrementEach(4096, from: UInt32(ownerBase) + GuestProgram.dataOffset, size: dataMiB << 20)
        program.again()
        let link = try join(1, ports: ports, wire)
        let node = try LoopNode(node: 1, slices: slices, channels: [link, nil], base: ownerBase, program: program, idle: 1)
        node.start()
        _ = node.guest.run()
        try Owner.sayWritten()
        node.stop()
    }

    /// Times of faults that this node's own loop resolves, and of reads and writes that need the other node.
    func run(local: inout Times, read: inout Times, write: inout Times) {
        _ = reader.guest.run()
        take(into: &local)
        let before = snapshot()
        _ = reader.guest.run()
        take(into: &read)
        let after = snapshot()
        let count = after.faultTimes.count - before.faultTimes.count
        let total = after.faultTimes.totalNanoseconds - before.faultTimes.totalNanoseconds
        meanInLoop += Double(total) / Double(max(count, 1)) / Double(Self.runs)
        _ = reader.guest.run()
        take(into: &write)
        remoteFaults += snapshot().statistics.remoteFaults - before.statistics.remoteFaults
    }

    private func snapshot() -> CoherenceSnapshot {
        guard let snapshot = reader.loop.snapshot() else { fail("the loop does not answer") }
        return snapshot
    }

    /// Bytes that have passed on the coherence connection so far, both ways.
    var bytes: UInt64 {
        let snapshot = snapshot()
        return snapshot.bytesSent + snapshot.bytesReceived
    }

    func stop() throws {
        reader.stop()
        try owner.stop()
    }

    private func take(into times: inout Times) {
        // The guest stands at a mark and the pages are this node's own.
        var words = [UInt64](repeating: 0, count: Int(Self.accessesPerRun * 2 + 511) / 512 * 512)
        unsafe words.withUnsafeMutableBytes { bytes in
            for page in 0..<bytes.count / 4096 {
                unsafe reader.memory.copyOut(PageNumber(UInt32(Int(Self.samples >> 12) + page)), to: bytes.baseAddress! + page * PageNumber.size)
            }
        }
        for access in 0..<Int(Self.accessesPerRun) {
            times.add(Double(words[access * 2 + 1] &- words[access * 2]) * nanosecondsPerTick)
        }
    }
}

/// The coherence link from `node` to the other, made as nodes make it. The control connection is not needed.
private func join(_ node: NodeIndex, ports: [UInt16], _ wire: Wire) throws -> PageChannel<Connection> {
    var random = SystemRandomNumberGenerator()
    guard let key = ClusterKey(bytes: [UInt8](0..<32)), let hash = FirmwareHash(bytes: [UInt8](repeating: 0xA5, count: 32)) else {
        fail("no key")
    }
    let other: NodeIndex = node == 0 ? 1 : 0
    let addresses = try ports.map { try SocketAddress("127.0.0.1:\($0)") }
    let identity = try NodeIdentity(index: node, count: 2, kit: "benchmark", firmwareHash: hash, protection: wire.protection, random: &random)
    wire.choose()
    let mesh = try Mesh.establish(
        MeshConfiguration(
            identity: identity, key: key,
            reach: .fixed(listen: addresses[node: node], peers: [other: addresses[node: other]]), patience: 10_000_000_000),
        log: { _ in })
    return PageChannel(mesh.links[0].takeCoherence(), nodes: 2)
}

/// Nanoseconds a tick of the time-stamp counter.
private func calibrate() -> Double {
    let (time, ticks) = (monotonicNow(), hostTimestamp())
    while monotonicNow() - time < 50_000_000 {}
    return Double(monotonicNow() - time) / Double(hostTimestamp() - ticks)
}
