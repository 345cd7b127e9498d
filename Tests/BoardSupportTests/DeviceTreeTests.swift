import BoardSupport
import Testing

@Suite struct DeviceTreeTests {
    static let blob = try? BoardCatalogue(path: boardsPath).load("qemu-q35").deviceTree

    @Test func nothingThatIsNoBlobIsRead() {
        #expect(throws: DeviceTree.ReadError.self) { try DeviceTree(blob: []) }
        #expect(throws: DeviceTree.ReadError.self) { try DeviceTree(blob: [UInt8](repeating: 0xFF, count: 4096)) }
        #expect(throws: DeviceTree.ReadError.tooLarge(bytes: DeviceTree.maximumBytes + 1)) {
            try DeviceTree(blob: [UInt8](repeating: 0, count: DeviceTree.maximumBytes + 1))
        }
    }

    @Test func everyTruncationIsRefused() throws {
        let blob = try #require(Self.blob)
        for count in 0..<blob.count {
            #expect(throws: DeviceTree.ReadError.self) { try DeviceTree(blob: Array(blob.prefix(count))) }
        }
    }

    /// Every byte in turn takes several wrong values; reading must end with a tree or an error.
    @Test func damagedBlobsNeverCrash() throws {
        let blob = try #require(Self.blob)
        var read = 0
        var refused = 0
        for index in blob.indices {
            for value: UInt8 in [0, 1, 0x7F, 0xFF] where blob[index] != value {
                var damaged = blob
                damaged[index] = value
                do {
                    _ = try Board(deviceTree: damaged)
                    read += 1
                } catch {
                    refused += 1
                }
            }
        }
        #expect(refused > read)
    }

    @Test func valuesAreDecodedByTheirLength() {
        #expect(DeviceTree.Property(name: "a", bytes: [0, 0, 1, 2]).cells == [258])
        #expect(DeviceTree.Property(name: "a", bytes: [0, 0, 1]).cells == nil)
        #expect(DeviceTree.Property(name: "a", bytes: []).cells == nil)
        #expect(DeviceTree.Property(name: "a", bytes: Array("x\0yz\0".utf8)).strings == ["x", "yz"])
        #expect(DeviceTree.Property(name: "a", bytes: Array("x\0\0".utf8)).strings == nil)
        #expect(DeviceTree.Property(name: "a", bytes: Array("xy".utf8)).strings == nil)
    }
}
