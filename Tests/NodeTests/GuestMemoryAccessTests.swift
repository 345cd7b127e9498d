import Contract
import Coherence
import KVM
import Machine
import Platform
import TestSupport
import Testing

@testable import Interconnect
@testable import Node

/// Guest memory as the threads behind devices see it.
@Suite(.enabled(if: hasKVM, needsKVM), .timeLimit(.minutes(1)))
struct GuestMemoryAccessTests {
    private static let size: UInt64 = 2 << 20

    /// Two nodes: what one thread writes, a thread of the other node reads, across pages.
    @Test func aDeviceReadsAndWritesPagesOfEveryNode() throws {
        let shared = try SharedMemory(nodes: 2, pages: 8, cachePages: 8, minimumHold: 0)
        defer { shared.stop() }
        let life = MachineLife()
        let access = (0..<2).map { shared.access(on: $0, life: life) }
        // Node 0's last page and node 1's first.
        let bytes = (0..<6000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let start = GuestAddress(4 * 4096 - 3000)
        let written = onThread { Result { try access[1].write(bytes, to: start) } }
        try #require(written.wait(seconds: 10)).get()
        let read = onThread { Result { try access[0].read(start, count: 6000) } }
        #expect(try #require(read.wait(seconds: 10)).get() == bytes)
        for (address, count) in [(UInt64(8 * 4096 - 1), 2), (8 * 4096, 1), (.max, 1), (0, 8 * 4096 + 1)] {
            #expect(throws: GuestMemoryError.outside(GuestAddress(address), count: count)) { try access[0].read(GuestAddress(address), count: count) }
        }
    }

    /// The page's home does not answer. The machine ends: the thread comes back, with the error, and so does who comes later.
    @Test(arguments: [true, false]) func aThreadThatWaitsForAPageIsReleasedAtTheEnd(writes: Bool) throws {
        let pair = socketPair()
        let memory = try GuestMemory(size: Self.size)
        let homes = try HomeMap([
            HomeMap.Range(first: PageNumber(0), count: 256, home: NodeID(0)), HomeMap.Range(first: PageNumber(256), count: 256, home: NodeID(1)),
        ])
        let channel = PageChannel(try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: .coherence), nodes: 2)
        let loop = try CoherenceLoop(
            configuration: EngineConfiguration(
                node: NodeID(0), nodeCount: 2, homes: homes, cacheLimit: 256, minimumHold: 0, policies: .none),
            memory: memory, forgetter: nil, channels: [nil, channel], processors: [ProcessorSignal()], onLoss: { _, _ in }, onFailure: { _ in }, log: { _ in })
        let ran = onThread { loop.run() }
        let life = MachineLife()
        let access = GuestMemoryAccess(memory: memory, ram: [0..<Self.size], life: life)
        let far = GuestAddress(300 * 4096)
        let device = onThread { () -> GuestMemoryError? in
            do throws(GuestMemoryError) {
                if writes { try access.write([1, 2, 3], to: far) } else { _ = try access.read(far, count: 3 * 4096) }
                return nil
            } catch {
                return error
            }
        }
        #expect(device.wait(seconds: 0.3) == nil, "the thread waits for the page")
        let begun = monotonicNow()
        life.end()
        loop.drain()
        #expect(device.wait(seconds: 5) == .ended)
        #expect(monotonicNow() - begun < 2_000_000_000)
        #expect(throws: GuestMemoryError.ended) { try access.read(GuestAddress(0), count: 1) }
        loop.quit()
        _ = try #require(ran.wait(seconds: 10))
    }
}
