import Platform
import TestSupport
import Contract
import BoardSupport
import Disk
import Foundation
import Testing

@testable import FirmwareImage

/// Whatever a file holds, reading it ends with an answer or an error that says what is wrong.
@Suite struct DamagedInputTests {
    private static func mutations(of data: Data, count: Int) -> [Data] {
        var random = SystemRandomNumberGenerator()
        return (0..<count).map { round in
            var copy = data
            for _ in 0...(round % 4) {
                let offset = Int.random(in: 0..<copy.count, using: &random)
                switch round % 3 {
                case 0: copy[offset] = UInt8.random(in: 0...255, using: &random)
                case 1: copy[offset] = [0, 0x7f, 0x80, 0xff, 0x30, 0x66][round % 6]
                default: copy = Data(copy.prefix(max(offset, 1)))
                }
            }
            return copy
        }
    }

    @Test func damagedArchivesNeverCrash() throws {
        var archive = NewcArchive()
        archive.add("etc/deep/file", .file(Data("content\n".utf8), permissions: 0o640))
        archive.add("bin/sh", .symbolicLink("/bin/busybox"))
        archive.add("dev/console", .characterDevice(major: 5, minor: 1, permissions: 0o600))
        let scratch = try Scratch("damaged")
        for (round, damaged) in Self.mutations(of: archive.bytes(), count: 3000).enumerated() {
            guard let read = try? NewcArchive(reading: damaged) else { continue }
            let folder = scratch.url.appendingPathComponent("\(round)/out")
            _ = imageError { _ = try ImageReader.writeEntries(read.entries, to: folder) }
            let beside = try? FileManager.default.contentsOfDirectory(atPath: folder.deletingLastPathComponent().path)
            #expect((beside ?? ["out"]) == ["out"])
        }
    }

    /// 64 MiB of zeros are 2 KiB when they are packed.
    @Test(.enabled(if: HostProgram.locate("zstd") != nil, "zstd is not installed"))
    func aRootFileSystemThatUnpacksWithoutEndIsRefused() throws {
        let bomb = try Initramfs.joined(archive: Data(count: 64 << 20), hash: testHash)
        let error = imageError { _ = try Initramfs.split(bomb, limit: 8 << 20) }
        #expect(error?.exitStatus == .inputOutput && error?.description.contains("more than 8 MiB") == true, "\(error?.description ?? "")")
        #expect(try Initramfs.split(bomb, limit: 64 << 20).archive.count == 64 << 20)
    }

    /// One name of a megabyte would stand for half a million folders, each with a name of its own.
    @Test func namesThatLinuxDoesNotReadAreRefused() throws {
        func archive(nameBytes: Int) -> Data {
            var archive = NewcArchive()
            archive.add(String(repeating: "n", count: nameBytes - 1), .file(Data(), permissions: 0o644))
            return archive.bytes()
        }
        #expect(try NewcArchive(reading: archive(nameBytes: 4096)).entries.count == 1)
        let long = imageError { _ = try NewcArchive(reading: archive(nameBytes: 4097)) }
        #expect(long?.exitStatus == .inputOutput && long?.description.contains("has 4097 bytes") == true, "\(long?.description ?? "")")
        func entry(_ path: String) -> Data {
            let name = Data(path.utf8) + [0]
            let fields = [1, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.count, 0].map { String(format: "%08x", $0) }.joined()
            let entry = Data(("070701" + fields).utf8) + name
            return entry + Data(count: (4 - entry.count % 4) % 4)
        }
        let megabyte = imageError { _ = try NewcArchive(reading: entry(String(repeating: "a/", count: 1 << 19)) + entry("TRAILER!!!")) }
        #expect(megabyte?.description.contains("4096 at most") == true)
        // Nor does a name that fits stand for two thousand folders.
        let deep = imageError { _ = try NewcArchive(reading: entry(String(repeating: "a/", count: 2000) + "b") + entry("TRAILER!!!")) }
        #expect(deep?.exitStatus == .inputOutput && deep?.description.contains("has no folder for a/a/") == true, "\(deep?.description ?? "")")
        #expect(try NewcArchive(reading: entry("init") + entry("/absolute") + entry("TRAILER!!!")).entries.count >= 2)
    }

    @Test func damagedManifestsNeverCrash() throws {
        let digest = String(repeating: "ab", count: 32)
        let text = """
            firmware-hash \(digest)
            version 3
            purpose development
            brand A
            board b
            kernel 6.1
            command-line quiet
            rollback-counter 7
            part kernel 10 \(digest)
            loader bios-core 10 \(digest)
            file VMLINUZ 10 \(digest)
            package a 1 amd64 \(digest) a 1

            """
        _ = try ImageManifest(text.utf8)
        for damaged in Self.mutations(of: Data(text.utf8), count: 3000) {
            _ = imageError { _ = try ImageManifest(damaged) }
        }
    }

    /// A sum of stated lengths never overflows.
    @Test func aManifestStatesNoLengthThatNoFileCanHave() throws {
        let digest = String(repeating: "ab", count: 32)
        let head = "firmware-hash \(digest)\nversion 3\npurpose development\nbrand A\nboard b\nkernel 6.1\ncommand-line quiet\nrollback-counter 7\n"
        for keyword in ["part", "loader", "file", "input"] {
            _ = try ImageManifest((head + "\(keyword) X \(UInt32.max) \(digest)\n").utf8)
            for length in ["4294967296", "9223372036854775807", "9223372036854775808", "-1", ""] {
                let error = imageError { _ = try ImageManifest((head + "\(keyword) X \(length) \(digest)\n").utf8) }
                #expect(error?.exitStatus == .inputOutput, "\(keyword) \(length)")
            }
        }
    }

    @Test func damagedUnifiedKernelImagesNeverCrash() throws {
        let header = [UInt8](repeating: 0, count: 0x3c) + [0x40, 0, 0, 0] + Array("PE\0\0".utf8)
        var program = Data(header)
        program += Data([0x64, 0x86, 1, 0]) + Data(count: 12) + Data([0, 0]) + Data(count: 2)
        program += Data(".linux\0\0".utf8) + Data([4, 0, 0, 0, 0, 0, 2, 0, 4, 0, 0, 0, 0x80, 0, 0, 0]) + Data(count: 16)
        program += Data(count: 0x80 - program.count) + Data("code".utf8)
        #expect(try UnifiedKernelImage.sections(of: program)[".linux"] == Data("code".utf8))
        for damaged in Self.mutations(of: program, count: 3000) {
            _ = imageError { _ = try UnifiedKernelImage.sections(of: damaged) }
        }
    }

    /// As many sections as the header can count, each as large as the file: 512 GiB, were they copied.
    @Test func sectionsThatNobodyWantsAreNotRead() throws {
        func program(_ sections: [String]) -> Data {
            func number(_ value: Int, _ size: Int) -> Data { Data((0..<size).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }) }
            let size = 8 << 20
            var program = Data(count: 0x3c) + number(0x40, 4) + Data("PE\0\0".utf8) + number(0x8664, 2) + number(sections.count, 2) + Data(count: 16)
            for name in sections {
                program += Data(name.utf8) + Data(count: 8 - name.utf8.count) + number(size, 4) + number(0, 4) + number(size, 4) + Data(count: 20)
            }
            return program + Data(count: size - program.count)
        }
        let many = [String](repeating: ".pad", count: 65534)
        #expect(try UnifiedKernelImage.sections(of: program(many + [".linux"])).mapValues(\.count) == [".linux": 8 << 20])
        // systemd's stub starts the first, so a second one must not be what is checked.
        let twice = imageError { _ = try UnifiedKernelImage.sections(of: program([".linux", ".linux"])) }
        #expect(twice?.exitStatus == .inputOutput && twice?.description.contains("two sections .linux") == true)
    }

    /// A certificate directory that begins inside its own entry, as the file's last bytes.
    @Test func certificatesOverTheirOwnDirectoryEntryAreRefused() throws {
        func number(_ value: Int, _ size: Int) -> Data { Data((0..<size).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }) }
        func program(certificates start: Int, fileSize: Int) -> Data {
            var program = Data(count: fileSize)
            func put(_ value: Int, _ size: Int, at offset: Int) { program.replaceSubrange(offset..<offset + size, with: number(value, size)) }
            put(0x84, 4, at: 0x3c)
            put(0x4550, 4, at: 0x84)
            // The optional header is at 156, its certificate entry at 300.
            put(0x20b, 2, at: 156)
            put(16, 4, at: 156 + 108)
            put(start, 4, at: 300)
            put(fileSize - start, 4, at: 304)
            return program
        }
        for start in [296, 304] {
            let error = imageError { _ = try PortableExecutable(program(certificates: start, fileSize: 320)).digest() }
            #expect(error?.exitStatus == .inputOutput && error?.description.contains("certificates") == true, "start \(start)")
        }
        #expect(try PortableExecutable(program(certificates: 312, fileSize: 320)).unsigned().count == 312)
    }
}

@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct DamagedImageTests {
    let workshop: Workshop
    let image: URL
    let scratch: Scratch

    init() throws {
        (workshop, image) = try ImageBuildTests.shared.get()
        scratch = try Scratch("damaged")
    }

    private var damaged: URL { scratch.url.appendingPathComponent("damaged.img") }

    /// Every way of reading `damaged`; each must return or throw an error that a person can read.
    private func readEverything(_ note: String) throws {
        let out = scratch.url.appendingPathComponent("out")
        try? FileManager.default.removeItem(at: out)
        for body: (ImageReader) throws -> Void in [
            { _ = try $0.rootFiles() }, { try $0.verify() }, { _ = try $0.extract(to: out) },
            { _ = try $0.differences(from: $0) },
        ] {
            do {
                try body(try ImageReader(damaged))
            } catch let error as ImageError {
                #expect(error.description.count > 20, "\(note)")
                #expect(error.exitStatus != .internalError, "\(note): \(error)")
            }
        }
    }

    @Test func truncatedImagesAreRefused() throws {
        let size = try #require(try FileManager.default.attributesOfItem(atPath: image.path)[.size] as? Int)
        for count in [0, 1, 511, 512, 1024, 1 << 20, (1 << 20) + 700, 2 << 20, 3 << 20, 36 << 20, size - 1] {
            try Data(contentsOf: image).prefix(count).write(to: damaged)
            try readEverything("cut to \(count) bytes")
            #expect(imageError { try ImageReader(damaged).verify() } != nil, "cut to \(count) bytes")
        }
    }

    @Test func mutatedImagesAreReadOrRefused() throws {
        let system = try #require(try ImageFile(image.path).partitionTable.partition(named: "VSMP-BOOT"))
        let content = try Data(contentsOf: image)
        // Where something is: the table, the boot partition's first sectors, tables and folders, the files.
        let used = stride(from: 0, to: system.offset + system.size, by: 512).filter {
            content[$0..<$0 + 512].contains { $0 != 0 }
        }
        for round in 0..<24 {
            var copy = content
            for _ in 0..<4 {
                let sector = try #require(used.randomElement())
                for _ in 0..<8 { copy[sector + Int.random(in: 0..<512)] = UInt8.random(in: 0...255) }
            }
            try copy.write(to: damaged)
            try readEverything("round \(round)")
        }
    }

    /// Numbers that a manifest states decide over no allocation.
    @Test func aManifestThatLiesAboutSizesIsRefused() throws {
        let stick = damaged
        try FileManager.default.copyItem(at: image, to: stick)
        let reader = try ImageReader(image)
        let text = String(decoding: try reader.contents(of: BootFiles.manifest), as: UTF8.self)
        let core = try #require(reader.manifest.loaders.first { $0.name == "bios-core" })
        let lie = text.replacingOccurrences(of: "bios-core \(core.length) ", with: "bios-core \(Int.max) ")
        let file = scratch.url.appendingPathComponent("manifest")
        try write(Data(lie.utf8), to: file)
        let system = try #require(reader.partitionTable.partition(named: "VSMP-BOOT"))
        try HostProgram("mcopy").data(["-o", "-i", "\(stick.path)@@\(system.offset)", file.path, "::/VSMP/A/\(BootFiles.manifest)"])
        #expect(imageError { try ImageReader(stick).verify() }?.exitStatus == .inputOutput)
    }
}
