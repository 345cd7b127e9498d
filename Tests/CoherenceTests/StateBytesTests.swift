import Coherence
import Testing

@Suite struct StateBytesTests {
    /// Node 0's engine; slices are equal.
    private func engine(nodes: Int, slice: Int, cache: Int, outstanding: Int = 512) throws -> Engine {
        let ranges = (0..<nodes).map { node in
            HomeMap.Range(first: PageNumber(UInt32(node * slice)), count: UInt32(slice), home: NodeID(UInt8(node)))
        }
        return Engine(
            configuration: EngineConfiguration(
                node: NodeID(0), nodeCount: nodes, homes: try HomeMap(ranges), cacheLimit: cache, outstandingFaults: outstanding))
    }

    /// What is said of machines too large for a test is what engines allocate.
    @Test(arguments: [(2, 4096, 1024), (8, 65_536, 16_384), (8, 65_536, 16_383), (16, 32_768, 7808), (3, 1_000_000, 125_000)])
    func theFormulaIsWhatAnEngineAllocates(nodes: Int, slice: Int, cache: Int) throws {
        let like = try engine(nodes: nodes, slice: 512, cache: 128)
        let actual = try engine(nodes: nodes, slice: slice, cache: cache)
        #expect(actual.stateBytes == StateBytes(machinePages: nodes * slice, slicePages: slice, cachePages: cache, like: like))
    }

    @Test func bytesOfAPage() throws {
        let small = try engine(nodes: 8, slice: 512, cache: 1 << 14).stateBytes
        let large = try engine(nodes: 8, slice: 1 << 17, cache: 1 << 20).stateBytes
        let pages = Double(8 << 17)
        #expect((1...1.01).contains(Double(large.machine) / pages))
        #expect(large.slice == 16 << 17)
        #expect((28...44.1).contains(Double(large.cache) / Double(1 << 20)))
        #expect(small.fixed == large.fixed && large.fixed < 1 << 20)
        #expect(large.total == large.machine + large.slice + large.cache + large.fixed)
    }
}
