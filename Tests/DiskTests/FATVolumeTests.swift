import Disk
import Platform
import TestSupport
import Testing

struct FATVolumeTests {
    private let scratch = ScratchFolder()

    private func volume(bits: Int, _ name: String = "volume") throws -> FATVolume {
        try FATVolume.create(at: scratch.path + "/" + name, size: bits == 32 ? 40 << 20 : 16 << 20, bits: bits, label: "LABEL", volumeNumber: "12345678")
    }

    private func content(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) } }

    @Test(arguments: [16, 32])
    func whatMtoolsWriteIsReadBack(bits: Int) throws {
        let volume = try volume(bits: bits)
        let free = try volume.freeBytes()
        #expect(try volume.files().isEmpty)
        let files = [
            "EFI/Linux/vsmp-a+3.efi": content(100_000), "UPPER.TXT": content(1), "lower.txt": [], "a long name with blanks.and dots.bin": content(70_000),
        ]
        try volume.put(files.mapValues { .bytes($0) })
        #expect(try Set(volume.files()) == Set(files.keys))
        for (path, bytes) in files { #expect(try volume.read(path) == bytes, "\(path)") }
        #expect(try volume.read("efi/LINUX/VSMP-A+3.EFI") == content(100_000), "whatever the case")
        #expect(try volume.read("absent") == nil && volume.read("EFI") == nil && volume.read("UPPER.TXT/x") == nil)
        let taken = try volume.allocation(of: Array(files.keys))
        let rest = try volume.freeBytes()
        #expect(taken >= 170_001 && free - rest >= taken)

        try volume.rename("EFI/Linux/vsmp-a+3.efi", to: "vsmp-a+2.efi")
        try volume.remove("UPPER.TXT")
        try volume.put("lower.txt", .bytes(content(5000)))
        #expect(try volume.read("EFI/Linux/vsmp-a+2.efi") == content(100_000) && volume.read("UPPER.TXT") == nil && volume.read("lower.txt") == content(5000))
    }

    /// In bytes of the host's names and of its user's settings nothing reaches the file system.
    @Test func equalContentGivesEqualBytesWhateverTheHostIsCalled() throws {
        let names = ["plain", "a@@1,b -x'\"[1]*ö"]
        for name in names {
            let volume = try volume(bits: 16, name)
            try scratch.write("s " + name, "from a file")
            try volume.put(["d/From A File.txt": .file(scratch.path + "/s " + name)])
        }
        let images = try names.map { try FileStore(reading: scratch.path + "/" + $0).read(at: 0, count: 16 << 20) }
        #expect(images[0] == images[1])
    }

    @Test(arguments: ["ö", "a\u{1}b"])
    func aNameThatDependsOnSettingsIsRefusedByName(name: String) throws {
        let volume = try volume(bits: 16)
        let error = #expect(throws: DiskError.self) { try volume.put(name, .bytes([1])) }
        #expect(error?.description.contains(name) == true)
    }

    /// Names that another system wrote are listed as they are.
    @Test func namesOfAnyLanguageAreListed() throws {
        let volume = try volume(bits: 32)
        try HostProgram("sh").run(["-c", "printf x | LC_ALL=C.UTF-8 mcopy -i \"$0\" - '::/Schlüssel 鍵.txt'", volume.path])
        #expect(try volume.files() == ["Schlüssel 鍵.txt"])
    }

    /// A file system that says anything ends every walk: none crashes, loops, or returns other bytes for a file that it calls whole.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func damagedFileSystemsAreReadOrRefused(seed: UInt64) throws {
        let volume = try volume(bits: seed % 2 == 0 ? 16 : 32)
        try volume.put(["a/b/c.bin": .bytes(content(40_000)), "a/long name of a file.txt": .bytes(content(3000))])
        var store = MemoryStore(try FileStore(reading: volume.path).read(at: 0, count: seed % 2 == 0 ? 16 << 20 : 40 << 20))
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let place = Int.random(in: 0..<(seed % 4 < 2 ? 1 << 20 : 64 << 10), using: &generator)
            try store.write([UInt8.random(in: .min ... .max, using: &generator)], at: place)
        }
        guard let reader = try? FATReader(store, at: 0, name: "damaged") else { return }
        _ = reader.freeBytes()
        for entry in (try? reader.entries()) ?? [] where !entry.isFolder {
            let (runs, _) = reader.chain(of: entry)
            if let content = try? reader.content(of: entry) { #expect(content.count == entry.size) }
            #expect(runs.allSatisfy { $0.lowerBound >= FATGeometry.firstCluster })
        }
    }

    @Test func aFolderThatHoldsItselfEnds() throws {
        let volume = try volume(bits: 16)
        try volume.put(["loop/file": .bytes([1])])
        var store = MemoryStore(try FileStore(reading: volume.path).read(at: 0, count: 16 << 20))
        let reader = try FATReader(store, at: 0, name: "x")
        let folder = try #require(try reader.entry("loop"))
        let cluster = try #require(reader.chain(of: folder).runs.first).lowerBound
        // The entry of `file` becomes a folder that starts where `loop` does.
        let place = reader.geometry.offset(ofCluster: cluster)
        let bytes = try store.read(at: place, count: 512)
        let entry = try #require(stride(from: 64, to: 512, by: 32).first { bytes[$0 + 11] != 0x0F && bytes[$0] != 0 })
        try store.write([0x10], at: place + entry + 11)
        try store.write([UInt8(cluster & 0xFF), UInt8(cluster >> 8)], at: place + entry + 26)
        let looped = try FATReader(store, at: 0, name: "a looped file system")
        #expect(throws: DiskError.self) { _ = try looped.entries() }
    }
}
