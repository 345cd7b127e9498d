import Contract
import Disk
import Platform
import TestSupport
import Testing

/// What a stick is that has only the mapped blocks of an image.
struct BlockMapTests {
    private static let size = 64 << 20
    private static let boot = 2 << 20..<42 << 20
    private static let state = 42 << 20..<43 << 20
    private static let configuration = 43 << 20..<59 << 20

    private let scratch = ScratchFolder()
    private var path: String { scratch.path + "/disk" }

    /// Bytes that no file system writes, none of them zero.
    private static func noise(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        let word = generator.next() | 0x0101_0101_0101_0101
        return (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }.repeated(to: count)
    }

    /// A disk with a FAT32, a raw, and a FAT16 partition whose files came, grew and went at random.
    private func disk(_ generator: inout SeededGenerator) throws -> [UInt8] {
        let store = try FileStore(creating: path, size: Self.size)
        func sectors(_ range: Range<Int>, _ name: String) -> String { "start=\(range.lowerBound / 512), size=\(range.count / 512), name=\"\(name)\"\n" }
        let script = "label: gpt\nfirst-lba: 34\n" + sectors(Self.boot, "BOOT") + sectors(Self.state, "STATE") + sectors(Self.configuration, "CONFIG")
        try HostProgram("sfdisk").run(["--quiet", "--no-reread", "--no-tell-kernel", path], input: Array(script.utf8))
        let parts = [(Self.boot, 32), (Self.configuration, 16)]
        for (range, bits) in parts {
            let part = scratch.path + "/part-\(bits)"
            _ = try FATVolume.create(at: part, size: range.count, bits: bits, label: "LABEL", volumeNumber: "12345678")
            try store.write(try FileStore(reading: part).read(at: 0, count: range.count), at: range.lowerBound)
        }
        try store.write(Self.noise(3000, &generator), at: Self.state.lowerBound + 5000)
        try store.flush()
        for partition in try GUIDPartitionTable(store).partitions where partition.name != "STATE" {
            let volume = FATVolume(partition, of: path)
            var names: [String] = []
            for step in 0..<8 {
                if let name = names.randomElement(using: &generator), Bool.random(using: &generator) {
                    try volume.remove(name)
                    names.removeAll { $0 == name }
                } else {
                    let name = "a folder \(step % 3)/file \(step)"
                    try volume.put([name: .bytes(Self.noise(Int.random(in: 0..<300_000, using: &generator), &generator))])
                    names.append(name)
                }
            }
        }
        return try FileStore(reading: path).read(at: 0, count: Self.size)
    }

    private func copy(_ map: BlockMap, of image: [UInt8], onto medium: [UInt8]) throws -> MemoryStore {
        var store = MemoryStore(medium)
        for range in map.ranges { try store.write(Array(image[range]), at: range.lowerBound) }
        return store
    }

    private func expectEqualContent(_ stick: MemoryStore, _ image: MemoryStore) throws {
        let table = try GUIDPartitionTable(stick)
        #expect(try table == GUIDPartitionTable(image) && table.damage == nil)
        #expect(stick.bytes[Self.state] == image.bytes[Self.state])
        for range in [Self.boot, Self.configuration] {
            let found = try FATReader(stick, at: range.lowerBound, name: "stick")
            let expected = try FATReader(image, at: range.lowerBound, name: "image")
            let entries = try expected.entries()
            #expect(try found.entries() == entries && !entries.isEmpty && found.freeBytes() == expected.freeBytes())
            for entry in entries where !entry.isFolder { #expect(try found.content(of: entry) == expected.content(of: entry), "\(entry.path)") }
            let part = scratch.path + "/checked"
            let file = try FileStore(creating: part, size: range.count)
            try file.write(Array(stick.bytes[range]), at: 0)
            #expect(throws: Never.self) { try HostProgram("fsck.fat").run(["-n", part]) }
        }
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func theMappedBlocksMakeAnyMediumReadAsTheImage(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let image = try disk(&generator)
        let zeros = [UInt8](repeating: 0, count: Self.size)
        let used = Self.noise(Self.size, &generator)

        let map = try BlockMap(of: MemoryStore(image))
        #expect(try copy(map, of: image, onto: zeros).bytes == image)
        try expectEqualContent(try copy(map, of: image, onto: used), MemoryStore(image))
        #expect(zip(map.ranges, map.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
        #expect(map.ranges.allSatisfy { $0.lowerBound % 4096 == 0 && $0.upperBound % 4096 == 0 })
        #expect(map.mappedBytes < Self.size / 4)

        // What files that are gone left behind has no meaning.
        let meaning = try BlockMap(meaningOf: MemoryStore(image))
        #expect(meaning.mappedBytes <= map.mappedBytes)
        try expectEqualContent(try copy(meaning, of: image, onto: used), MemoryStore(image))

        let partition = try BlockMap(ofPartition: Self.configuration, in: MemoryStore(image))
        #expect(partition.ranges == map.ranges(within: Self.configuration))
    }

    /// Copies of the table that differ, a file that leads to free clusters, a first sector that is none: nobody can say what is in use.
    @Test(arguments: ["copies", "chain", "boot sector"])
    func aDamagedFileSystemIsMappedWhole(damage: String) throws {
        var generator = SeededGenerator(seed: 7)
        var store = MemoryStore(try disk(&generator))
        let reader = try FATReader(store, at: Self.boot.lowerBound, name: "image")
        let file = try #require(try reader.entries().first { !$0.isFolder && $0.size > 0 })
        let last = try #require(reader.chain(of: file).runs.last).upperBound
        let entries = reader.geometry.entries(ofCluster: last).map { Self.boot.lowerBound + $0 }
        switch damage {
        case "copies": try store.write([1, 2, 3, 4], at: entries[1])
        case "chain": for entry in entries { try store.write([0, 0, 0, 0], at: entry) }
        default: try store.write([0, 0], at: Self.boot.lowerBound + 510)
        }
        let map = try BlockMap(of: store)
        #expect(map.ranges(within: Self.boot) == [Self.boot])
        #expect(map.ranges(within: Self.configuration) != [Self.configuration])
    }

    @Test func withoutAPartitionTableThereIsNoMap() {
        let error = #expect(throws: DiskError.self) { _ = try BlockMap(of: MemoryStore([UInt8](repeating: 0, count: 1 << 20))) }
        #expect(error?.exitStatus == .badInput)
    }

    /// The last block of an image need not be whole.
    @Test func anImageMayEndWithinABlock() throws {
        var generator = SeededGenerator(seed: 8)
        let image = try disk(&generator)
        let table = try GUIDPartitionTable(MemoryStore(image))
        let size = Self.size - 512
        let (primary, backup) = table.pieces(forDiskSize: size)
        var store = MemoryStore(Array(image[..<size]))
        for piece in [primary, backup] { try store.write(piece.bytes, at: piece.offset) }
        let map = try BlockMap(of: store)
        #expect(map.imageSize == size && map.ranges.last?.upperBound == size)
        #expect(try copy(map, of: store.bytes, onto: [UInt8](repeating: 0, count: size)).bytes == store.bytes)
    }
}

extension [UInt8] {
    fileprivate func repeated(to size: Int) -> [UInt8] {
        var bytes = self
        while bytes.count < size { bytes += bytes }
        return Array(bytes.prefix(size))
    }
}
