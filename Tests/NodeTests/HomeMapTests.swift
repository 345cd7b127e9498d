import Coherence
import Machine
import Testing

@testable import Node

struct HomeMapTests {
    /// A slice is a range of pages; one that meets the hole below 4 GiB goes on above it, and nobody is home in the hole.
    @Test func pagesAreAtHomeWhereTheirMemoryIs() throws {
        let layout = try MachineLayout(
            nodes: [256, 4096].map { .init(sockets: 1, coresPerSocket: 1, threadsPerCore: 1, sliceMiB: $0) })
        let map = try HomeMap(layout)
        #expect(map.ranges.map(\.first.address) == layout.memory.map(\.start.rawValue))
        #expect(map.ranges.map(\.count) == [65_536, 720_896, 327_680])
        #expect(map.home(of: PageNumber(65_535)) == NodeID(0) && map.home(of: PageNumber(65_536)) == NodeID(1))
        #expect(map.home(of: PageNumber(containing: 0xFEE0_0000)) == nil)
        #expect(map.home(of: PageNumber(containing: 4 << 30)) == NodeID(1))
    }
}
