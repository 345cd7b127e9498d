import BoardSupport
import Contract
import TestSupport
import Testing

@testable import Interconnect
@testable import Node

@Suite struct NodeResourcesTests {
    private func resources(_ physical: Int, slice: Int? = nil, cache: Int? = nil, processors: Int? = nil) throws -> NodeResources {
        let demand = MemoryDivision.Demand(physicalMiB: physical, reserveMiB: 128, nodes: 2, sliceMiB: slice, cacheMiB: cache, kernel: .extendedPaging)
        return try NodeResources(sockets: 2, coresPerSocket: 4, threadsPerCore: 2, processors: processors, memory: try MemoryDivision(demand))
    }

    @Test func firmwareSliceAndCacheSumToTheBoardsMemory() throws {
        for physical in stride(from: 400, through: 70_000, by: 997) {
            let resources = try resources(physical)
            #expect(resources.physicalMiB == resources.firmwareMiB + resources.sliceMiB + resources.cacheMiB)
            #expect(resources.firmwareMiB >= 128 && resources.sliceMiB % 2 == 0 && resources.cacheMiB >= 32)
        }
        let told = try resources(1024, slice: 512, cache: 64)
        #expect(told.sliceMiB == 512 && told.cacheMiB == 64 && told.firmwareMiB == 448)
    }

    @Test func processorsAreAllOrAsManyAsTold() throws {
        #expect(try resources(1024).processors == 16)
        #expect(try resources(1024, processors: 16).sockets == 2)
        #expect(try resources(1024, processors: 3).processors == 3)
    }

    @Test func whatTheBoardDoesNotHaveIsRefusedWithTheNumbers() throws {
        let many = try #require(throws: NodeResourcesError.self) { try resources(1024, processors: 17) }
        #expect("\(many)".contains("17 processors, this board has 16"))
        let little = try #require(throws: MemoryShortage.self) { try resources(1024, slice: 1000) }
        #expect("\(little)".contains("1024 MiB") && "\(little)".contains("1000 MiB"))
        for physical in [0, 64, 128, 200] { #expect(throws: MemoryShortage.self) { try resources(physical) } }
    }

    /// What the desk counts for links is what the rooms allocate.
    @Test func theBudgetsFiguresAreThoseOfTheRooms() throws {
        var random = SystemRandomNumberGenerator()
        let identity = try NodeIdentity(index: 0, count: 2, kit: "k", firmwareHash: testHash, holdings: [], random: &random)
        let mesh = MeshConfiguration(identity: identity, key: testKey, reach: .discovery(interface: "lo"))
        #expect(MemoryBudget.Links.coherenceSendRing == mesh.coherenceSendCapacity && MemoryBudget.Links.ring == mesh.controlSendCapacity)
        #expect(MemoryBudget.Links.ring == Connection.defaultRingCapacity)
        #expect(MemoryBudget.Links.sealed == SendingHalf.sealedCapacity && MemoryBudget.Links.acknowledgedAt == SecureStream.acknowledgedAt)
        #expect(MemoryBudget.Links.histories == PageChannel<Connection>.historyMiB << 20 && MemoryBudget.Links.differences == 2 * PageChannel<Connection>.bufferSize)
    }
}
