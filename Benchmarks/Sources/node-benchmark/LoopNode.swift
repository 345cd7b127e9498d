import Platform
import Coherence
import Interconnect
import KVM
import LoopbackCalibration
import Node

/// One node as `MachineSession` builds it: guest memory under userfaultfd, the engine and its loop, and a guest.
final class LoopNode {
    let memory: GuestMemory
    let guest: Guest
    let loop: CoherenceLoop<Connection>
    private var thread: SystemThread?

    /// - Parameters:
    ///   - slices: MiB of guest memory at home on each node.
    ///   - base: where the guest's page tables and program lie; in this node's slice.
    init(
        node: Int, slices: [Int], channels: [PageChannel<Connection>?], base: UInt64, program: GuestProgram, mapping: GuestProgram.Mapping = .large,
        idle: Int = 0, cacheMiB: Int = 16
    ) throws {
        let memory = try GuestMemory(size: UInt64(slices.reduce(0, +)) << 20)
        self.memory = memory
        guest = try Guest(base: base, idle: idle) { try memory.attach(to: $0, ranges: [0..<memory.size]) }
        var ranges: [HomeMap.Range] = []
        var first: UInt32 = 0
        for (index, slice) in slices.enumerated() {
            ranges.append(HomeMap.Range(first: PageNumber(first), count: UInt32(slice) << 8, home: NodeID(UInt8(index))))
            first += UInt32(slice) << 8
        }
        loop = try CoherenceLoop(
            configuration: EngineConfiguration(
                node: NodeID(UInt8(node)), nodeCount: slices.count, homes: try HomeMap(ranges), cacheLimit: cacheMiB << 8,
                minimumHold: 300_000),
            memory: memory, forgetter: nil, channels: channels, processors: guest.signals,
            onLoss: { node, why in if "\(why)" != "connection closed by the peer" { fail("node \(node): \(why)") } }, onFailure: { fail("\($0)") }, log: { print($0) })
        for (page, words) in program.pages(at: base, mapping: mapping) { try populate(page, words) }
    }

    /// Fills a page of this home before the node starts.
    func populate(_ page: PageNumber, _ words: [UInt64] = []) throws {
        let contents = words + [UInt64](repeating: 0, count: 512 - words.count)
        try unsafe contents.withUnsafeBytes { try unsafe loop.populate(page, from: $0.baseAddress!) }
    }

    func start() {
        thread = SystemThread("coherence") { [loop] in loop.run() }
        guest.start()
    }

    func stop() {
        guest.stop()
        loop.quit()
        thread?.join()
    }
}
