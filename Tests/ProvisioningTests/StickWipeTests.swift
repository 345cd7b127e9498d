import Contract
import Disk
import Foundation
import Testing

@testable import Provisioning

struct StickWipeTests {
    /// Everything before the first partition, the configuration, and the last 24 KiB.
    private static let cleared = (1 << 20) + TestImage.configurationSize + (24 << 10)

    private let image: TestImage
    private var target: String { image.scratch.path + "/stick" }

    init() throws { image = try TestImage() }

    private func makeStick(_ name: String = "stick", node: NodeIndex = 0) throws {
        _ = try StickWriter(image: image.path).write(to: image.scratch.path + "/" + name, personalisation: StickPersonalisation(kit: try testKit(), node: node))
    }

    /// The key as its file has it, and as 32 bytes.
    private func expectNoKey(in bytes: [UInt8]) throws {
        let text = Data(try testKit().key.file.prefix(64))
        let data = Data(bytes)
        #expect(data.range(of: text) == nil)
        #expect(data.range(of: Data(repeating: [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF], count: 4)) == nil)
    }

    @Test func aWipedStickHoldsNeitherKeyNorPartitions() throws {
        try makeStick()
        let before = try image.bytes(of: target)
        #expect(throws: (any Error).self) { try expectFound(try testKit().key.file, in: before) }
        let report = try StickWipe().wipe([.init(target)])[0].get()
        #expect(report.bytes == Self.cleared && report.target == target)
        let after = try image.bytes(of: target)
        #expect(after.count == before.count)
        try expectNoKey(in: after)
        #expect(after[..<(1 << 20)].allSatisfy { $0 == 0 } && after[TestImage.configurationOffset...].allSatisfy { $0 == 0 })
        #expect(after[(1 << 20)..<TestImage.configurationOffset] == before[(1 << 20)..<TestImage.configurationOffset], "the brand's image is no secret")
        #expect(throws: GUIDPartitionTable.ReadError.self) { _ = try GUIDPartitionTable(try FileStore(reading: target)) }
    }

    /// Fails, so that the search is one that finds.
    private func expectFound(_ key: [UInt8], in bytes: [UInt8]) throws {
        if Data(bytes).range(of: Data(key.prefix(64))) != nil { throw CancellationError() }
    }

    @Test func theWholeMediumIsClearedWhateverIsOnIt() throws {
        try makeStick()
        let size = try image.bytes(of: target).count
        #expect(try StickWipe(isWhole: true).wipe([.init(target)])[0].get().bytes == size)
        #expect(try image.bytes(of: target).allSatisfy { $0 == 0 })
        // Nobody knows any more where secrets may lie.
        let error = #expect(throws: ProvisioningError.self) { try StickWipe().wipe([.init(target)]) }
        #expect(error?.exitStatus == .refusedForSafety && error?.description.contains("--whole") == true)
        #expect(try StickWipe(isWhole: true).wipe([.init(target)])[0].get().bytes == size)
    }

    @Test(arguments: [false, true])
    func aFileThatIsNoStickStaysAsItIs(isWhole: Bool) throws {
        try image.scratch.write("letter", Data(repeating: 0x41, count: 1 << 20))
        let letter = image.scratch.path + "/letter"
        try makeStick()
        let stick = try image.bytes(of: target)
        let error = #expect(throws: ProvisioningError.self) { try StickWipe(isWhole: isWhole).wipe([.init(target), .init(letter)]) }
        #expect(error?.exitStatus == .refusedForSafety)
        #expect(try image.bytes(of: letter).allSatisfy { $0 == 0x41 })
        #expect(try image.bytes(of: target) == stick, "all are checked before the first is written")
    }

    /// Either copy of the partition table tells where the secrets are.
    @Test(arguments: [512, TestImage.size - 512])
    func aDamagedPartitionTableHidesNoSecret(place: Int) throws {
        try makeStick()
        let store = try FileStore(changing: target)
        try store.write([UInt8](repeating: 0xA5, count: 512), at: place)
        try store.flush()
        _ = try StickWipe().wipe([.init(target)])[0].get()
        try expectNoKey(in: try image.bytes(of: target))
    }

    @Test func aDryRunSaysWhatWouldHappenAndChangesNothing() throws {
        try makeStick()
        let before = try image.bytes(of: target)
        let plan = try StickWipe().check([.init(target)])[0]
        #expect(plan.bytes == Self.cleared && plan.size == before.count && !plan.isDisk)
        #expect(try image.bytes(of: target) == before)
    }

    @Test func oneStickUnderTwoNamesIsRefused() throws {
        try makeStick()
        let other = image.scratch.path + "/./stick"
        let error = #expect(throws: ProvisioningError.self) { try StickWipe().wipe([.init(target), .init(other)]) }
        #expect(error?.exitStatus == .usage)
        let missing = #expect(throws: ProvisioningError.self) { try StickWipe().check([.init(image.scratch.path + "/absent")]) }
        #expect(missing?.exitStatus == .missingInput)
    }

    @Test func severalAreWipedAtOnce() throws {
        try makeStick("a")
        try makeStick("b", node: 1)
        let names = ["a", "b"].map { image.scratch.path + "/" + $0 }
        let outcomes = try StickWipe().wipe(names.map { .init($0) })
        #expect(outcomes.compactMap { try? $0.get().target } == names)
        for name in names { try expectNoKey(in: try image.bytes(of: name)) }
    }
}

extension Data {
    fileprivate init(repeating bytes: [UInt8], count: Int) { self.init((0..<count).flatMap { _ in bytes }) }
}
