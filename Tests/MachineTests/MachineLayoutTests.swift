import Contract
import Testing

@testable import Machine

@Suite struct MachineLayoutTests {
    @Test func slicesFollowEachOtherFromNodeZero() {
        let layout = testLayout([(1, 1, 1, 256), (1, 2, 1, 128)])
        #expect(layout.memory.map(\.start) == [GuestAddress(0), GuestAddress(256 << 20)])
        #expect(layout.memoryEnd == GuestAddress(384 << 20))
        #expect(layout.memory[1].size == 128 << 20)
        #expect(layout.node(owning: GuestAddress(256 << 20 - 1)) == 0)
        #expect(layout.node(owning: GuestAddress(256 << 20)) == 1)
        #expect(layout.node(owning: GuestAddress(384 << 20)) == nil)
        #expect(layout.processors(ofNode: 1).map(\.index) == [1, 2])
        #expect(layout.processors(ofNode: 1).map(\.indexInNode) == [0, 1])
        #expect(layout.distances == [[10, 40], [40, 10]])
    }

    @Test func memoryMeetsTheHoleAndGoesOnAboveIt() {
        let layout = testLayout([(1, 1, 1, 2048), (1, 1, 1, 2048), (1, 1, 1, 512)])
        #expect(layout.memory.map(\.node) == [0, 1, 1, 2])
        #expect(layout.memory.map(\.start.rawValue) == [0, 2 << 30, 4 << 30, 5 << 30])
        #expect(layout.memory.map(\.size) == [2 << 30, 1 << 30, 1 << 30, 512 << 20])
        #expect(layout.node(owning: GuestAddress(0xC000_0000)) == nil)
        let exact = testLayout([(1, 1, 1, 3072), (1, 1, 1, 64)])
        #expect(exact.memory.map(\.start.rawValue) == [0, 4 << 30])
    }

    @Test func mapCoversAllMemoryOnceAndLeavesTheHole() {
        let layout = testLayout([(1, 1, 1, 2048), (1, 1, 1, 2048), (1, 1, 1, 512)])
        let map = layout.e820()
        #expect(zip(map, map.dropFirst()).allSatisfy { $0.end <= $1.start })
        #expect(map.filter { $0.kind == .usable }.map(\.start.rawValue) == [0, 0x10_0000, 4 << 30])
        let usable = map.filter { $0.kind == .usable }.reduce(0) { $0 + $1.size }
        #expect(usable == UInt64(4608) << 20 - (1 << 20 - 0x9FC00))
        let withTables = layout.e820(acpiBytes: 2 << 20)
        #expect(withTables.contains(E820Entry(start: GuestAddress(2046 << 20), size: 2 << 20, kind: .acpiReclaimable)))
        #expect(withTables.contains { $0.start.rawValue == 2 << 30 && $0.kind == .usable })
    }

    @Test func apicIDsHaveFieldsThatFitEveryNode() {
        let layout = testLayout([(2, 3, 2, 64), (1, 1, 1, 64)])
        #expect(layout.threadBits == 1 && layout.packageShift == 3)
        #expect(
            layout.processors.map(\.apicID.rawValue) == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 16])
        #expect(layout.processors.map(\.socket) == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2])
        // With powers of two nothing is left out.
        #expect(testLayout([(2, 2, 2, 64), (2, 2, 2, 64)]).processors.map(\.apicID.rawValue) == Array(0..<16))
        #expect(testLayout([(1, 1, 1, 64), (1, 1, 1, 64)]).packageShift == 0)
        #expect(layout.processor(APICID(6)) == nil)
    }

    @Test func impossibleMachinesAreRefused() {
        func error(_ nodes: [(Int, Int, Int, Int)]) -> MachineLayoutError? {
            do {
                _ = try MachineLayout(
                    nodes: nodes.map {
                        .init(sockets: $0.0, coresPerSocket: $0.1, threadsPerCore: $0.2, sliceMiB: $0.3)
                    })
                return nil
            } catch { return error }
        }
        #expect(error([]) == .nodeCount(0))
        #expect(error([(1, 1, 1, 65)]) == .slice(node: 0, mib: 65, least: 64))
        #expect(error([(1, 1, 1, 64), (1, 1, 1, 0)]) == .slice(node: 1, mib: 0, least: 2))
        #expect(error([(64, 64, 2, 64)]) == .tooManyProcessors(8192))
        guard case .processors(0, _) = error([(0, 1, 1, 64)]) else {
            Issue.record("no sockets were accepted")
            return
        }
    }
}
