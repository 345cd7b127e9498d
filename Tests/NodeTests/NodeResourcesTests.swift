import Testing

@testable import Node

@Suite struct NodeResourcesTests {
    private func divide(
        _ physical: Int, firmware: Int = 128, slice: Int? = nil, cache: Int? = nil, processors: Int? = nil
    ) throws(NodeResourcesError) -> NodeResources {
        try NodeResources(
            sockets: 2, coresPerSocket: 4, threadsPerCore: 2, physicalMiB: physical, firmwareReserveMiB: firmware,
            sliceMiB: slice, cacheMiB: cache, processors: processors)
    }

    @Test func firmwareSliceAndCacheSumToTheBoardsMemory() throws {
        for physical in stride(from: 300, through: 70_000, by: 997) {
            let resources = try divide(physical)
            #expect(resources.physicalMiB == resources.firmwareMiB + resources.sliceMiB + resources.cacheMiB)
            #expect(resources.firmwareMiB >= 128 && resources.sliceMiB % 2 == 0 && resources.cacheMiB >= 32)
        }
        let told = try divide(1024, slice: 512, cache: 64)
        #expect(told.sliceMiB == 512 && told.cacheMiB == 64 && told.firmwareMiB == 448)
    }

    @Test func processorsAreAllOrAsManyAsTold() throws {
        #expect(try divide(1024).processors == 16)
        #expect(try divide(1024, processors: 16).sockets == 2)
        #expect(try divide(1024, processors: 3).processors == 3)
    }

    @Test func whatTheBoardDoesNotHaveIsRefusedWithTheNumbers() throws {
        let many = try #require(throws: NodeResourcesError.self) { try divide(1024, processors: 17) }
        #expect("\(many)".contains("17 processors, this board has 16"))
        let little = try #require(throws: NodeResourcesError.self) { try divide(1024, slice: 1000) }
        #expect("\(little)".contains("1024 MiB") && "\(little)".contains("1000 MiB"))
        for physical in [0, 64, 128, 200] { #expect(throws: NodeResourcesError.self) { try divide(physical) } }
    }
}
