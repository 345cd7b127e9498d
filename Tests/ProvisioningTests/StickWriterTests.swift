import BoardSupport
import Contract
import Disk
import FirmwareImage
import Foundation
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Provisioning

@Suite struct StickWriterTests {
    @Test func plainFileBecomesTheImage() throws {
        let image = try TestImage()
        let target = image.scratch.path + "/stick"
        let phases = Mutex<[StickProgress]>([])
        let report = try StickWriter(image: image.path).write(to: target, personalisation: nil) { progress in
            phases.withLock { $0.append(progress) }
        }
        #expect(try image.bytes(of: target) == image.bytes(of: image.path))
        // What lies behind the last partition is not used.
        #expect(report.bytes > 20_000_000 && report.bytes < TestImage.size)
        #expect(report.node == nil)
        let seen = phases.withLock { $0 }
        #expect(seen.last == StickProgress(phase: .verifying, bytesDone: report.bytes, bytesTotal: report.bytes))
        #expect(seen.contains { $0.phase == .writing })
        let sum = try runTool("sha256sum", [target])
        #expect(sum.hasPrefix(report.sha256))
    }

    /// As a station writes them.
    @Test func sticksOfOneWriterShareOneReadingOfTheImage() throws {
        let image = try TestImage()
        let file = try ImageFile(image.path)
        let shelf = ImageShelf(file)
        let layouts = [try StickLayout(file, available: nil, needed: 0, target: "stick")]
        let first = try shelf.shared(for: layouts)
        #expect(try shelf.shared(for: layouts) === first)
        try FileStore(changing: image.path).write([1], at: TestImage.configurationOffset)
        #expect(throws: ProvisioningError.self) { try shelf.shared(for: layouts) }
    }

    @Test func personalisedStickHoldsKitAndGuest() throws {
        let image = try TestImage()
        let target = image.scratch.path + "/stick"
        try image.scratch.write("vmlinuz", Data(linuxKernel(count: 100_000)))
        try image.scratch.write("initrd", "an initial RAM disk")
        let kit = try testKit()
        let personalisation = StickPersonalisation(
            kit: kit, node: 0, sliceMiB: 256,
            guest: .init(
                kernel: image.scratch.path + "/vmlinuz", initrd: image.scratch.path + "/initrd",
                commandLine: "console=ttyS0 tsc=reliable"))
        let report = try StickWriter(image: image.path).write(to: target, personalisation: personalisation)
        #expect(report.kit == "kit-test")
        #expect(report.node == 0)

        let partition = target + "@@\(TestImage.configurationOffset)"
        #expect(
            try runTool("mtype", ["-i", partition, "::/machine.conf"])
                == "kit=kit-test\nnodes=2\nnode=0\nslice-mib=256\n")
        #expect(try runTool("mtype", ["-i", partition, "::/cluster.key"]) == kit.key.hexadecimal + "\n")
        #expect(
            try runTool("mtype", ["-i", partition, "::/guest/cmdline"]) == "console=ttyS0 tsc=reliable\n")
        #expect(try runTool("mtype", ["-i", partition, "::/guest/initrd"]) == "an initial RAM disk")
        try runTool("mcopy", ["-n", "-i", partition, "::/guest/vmlinuz", image.scratch.path + "/back"])
        #expect(
            try image.bytes(of: image.scratch.path + "/back") == image.bytes(of: image.scratch.path + "/vmlinuz"))
        #expect(try runTool("mlabel", ["-s", "-i", partition, "::"]).contains("VSMP-CONFIG"))

        // Outside the configuration the stick is the image; the key is nowhere else.
        let (stick, original) = (try image.bytes(of: target), try image.bytes(of: image.path))
        let end = TestImage.configurationOffset + TestImage.configurationSize
        #expect(stick.prefix(TestImage.configurationOffset) == original.prefix(TestImage.configurationOffset))
        #expect(stick.suffix(from: end) == original.suffix(from: end))
        let mode = try FileManager.default.attributesOfItem(atPath: target)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    /// What the board would say after its boot is said when the stick is made, and no stick is written.
    @Test(arguments: [
        ([UInt8]("no kernel".utf8), "quiet", "not a Linux bzImage"), (linuxKernel(count: 4096), String(repeating: "x", count: 2000), "shorten it"),
        (linuxKernel(count: 4096, commandLineSize: 200), "quiet", "this kernel takes 200"), (linuxKernel(count: 4096), "a\tb\u{1B}", "printable text"),
    ])
    func aGuestThatNoBoardStartsIsRefused(kernel: [UInt8], commandLine: String, problem: String) throws {
        let image = try TestImage()
        try image.scratch.write("vmlinuz", Data(kernel))
        let personalisation = StickPersonalisation(
            kit: try testKit(), node: 0, guest: .init(kernel: image.scratch.path + "/vmlinuz", commandLine: commandLine))
        let target = image.scratch.path + "/stick"
        let error = #expect(throws: ProvisioningError.self) { try StickWriter(image: image.path).write(to: target, personalisation: personalisation) }
        #expect(error?.exitStatus == .badInput)
        #expect(error?.description.contains(problem) == true && error?.description.contains("/vmlinuz: ") == true)
        #expect(!FileManager.default.fileExists(atPath: target))
    }

    /// The image's configuration partition has 16 MiB.
    @Test func aGuestLargerThanThePartitionMakesItLarger() throws {
        let image = try TestImage()
        let guest = Data(linuxKernel(count: 40 << 20))
        try image.scratch.write("vmlinuz", guest)
        let personalisation = StickPersonalisation(kit: try testKit(), node: 0, guest: .init(kernel: image.scratch.path + "/vmlinuz"))
        let target = image.scratch.path + "/stick"
        let report = try StickWriter(image: image.path).write(to: target, personalisation: personalisation)
        let table = try GUIDPartitionTable(FileStore(reading: target))
        let place = try #require(table.partition(named: "VSMP-CONFIG"))
        #expect(table.damage == nil && place.size > 40 << 20 && place.offset == TestImage.configurationOffset)
        #expect(try runTool("sfdisk", ["--verify", target]).contains("No errors detected"))
        #expect(try FATVolume(place, of: target).read("guest/vmlinuz") == [UInt8](guest))
        try runTool("fsck.fat", ["-n", try partition(place, of: target, in: image.scratch)])
        #expect(report.bytes > 44 << 20)
        let again = try StickWriter(image: image.path).write(to: target, personalisation: personalisation)
        #expect(again.sha256 == report.sha256)
    }

    private func partition(_ place: GUIDPartitionTable.Partition, of stick: String, in scratch: ScratchFolder) throws -> String {
        try scratch.write("partition", Data(try FileStore(reading: stick).read(at: place.offset, count: place.size)))
        return scratch.path + "/partition"
    }

    @Test func aGuestThatTheStickHasNoRoomForIsRefusedWithTheSizes() throws {
        let image = try TestImage()
        try image.scratch.write("vmlinuz", Data(linuxKernel(count: 15 << 20)))
        let personalisation = StickPersonalisation(
            kit: try testKit(), node: 0, guest: .init(kernel: image.scratch.path + "/vmlinuz"))
        let source = try ImageFile(image.path)
        do {
            let needed = try ConfigurationPartition.size(of: personalisation)
            _ = try StickLayout(source, available: TestImage.size, needed: needed, target: "/dev/sdx")
            Issue.record("a guest that does not fit was accepted")
        } catch {
            #expect(error.exitStatus == .stickTooSmall)
            #expect(error.description.contains("of 18 MiB, and /dev/sdx has room for 16 MiB"), "\(error)")
        }
    }

    @Test func headIsClearUntilEverythingIsVerified() throws {
        let image = try TestImage()
        let target = image.scratch.path + "/stick"
        _ = try StickWriter(image: image.path).write(to: target, personalisation: nil)
        _ = try StickWriter(image: image.path).write(to: target, personalisation: nil) { progress in
            let head = (try? FileHandle(forReadingAtPath: target)?.read(upToCount: 1 << 20)) ?? nil
            let isClear = head?.allSatisfy { $0 == 0 } ?? false
            #expect(isClear == (progress.bytesDone < progress.bytesTotal || progress.phase == .writing))
        }
        #expect(try image.bytes(of: target) == image.bytes(of: image.path))
    }

    /// Another program spoils a byte after it was written, as a defective stick would.
    @Test func wrongByteFailsAndLeavesNothingBootable() throws {
        let image = try TestImage()
        let target = image.scratch.path + "/stick"
        do {
            _ = try StickWriter(image: image.path).write(to: target, personalisation: nil) { progress in
                guard progress.phase == .writing, let file = FileHandle(forUpdatingAtPath: target) else { return }
                try? file.seek(toOffset: 3 << 20)
                try? file.write(contentsOf: Data([0xA5]))
                try? file.close()
            }
            Issue.record("a spoilt stick was accepted")
        } catch {
            #expect(error.exitStatus == .wrongBytes)
            #expect(error.description.contains("other bytes than were written"))
        }
        #expect(try image.bytes(of: target).prefix(1 << 20).allSatisfy { $0 == 0 })
        // The same file may be written again.
        _ = try StickWriter(image: image.path).write(to: target, personalisation: nil)
    }

    /// Several sticks at once: one returns other bytes than were written, the others are what they should be.
    @Test func aStickThatFailsSpoilsNoOther() throws {
        let image = try TestImage()
        let targets = (0..<4).map { "\(image.scratch.path)/stick\($0)" }
        let told = Mutex<[String]>([])
        let outcomes = try StickWriter(image: image.path).write(targets.map { StickJob($0) }) { target, progress in
            guard target == targets[1], progress.phase == .writing, let file = FileHandle(forUpdatingAtPath: target) else { return }
            try? file.seek(toOffset: 3 << 20)
            try? file.write(contentsOf: Data([0xA5]))
            try? file.close()
        } finished: { outcome in
            told.withLock { $0.append(outcome.target) }
        }
        #expect(outcomes.map(\.target) == targets && told.withLock { $0.sorted() } == targets)
        for (index, outcome) in outcomes.enumerated() {
            switch outcome.result {
            case .success: #expect(try index != 1 && image.bytes(of: outcome.target) == image.bytes(of: image.path))
            case .failure(let error):
                #expect(index == 1 && error.verdict == .wrongBytes)
                #expect(try image.bytes(of: outcome.target).prefix(1 << 20).allSatisfy { $0 == 0 })
            }
        }
    }

    @Test func otherFilesAreNotOverwritten() throws {
        let image = try TestImage()
        try image.scratch.write("thesis", "years of work")
        for target in [image.scratch.path + "/thesis", image.path, "/dev/null"] {
            do {
                _ = try StickWriter(image: image.path).write(to: target, personalisation: nil)
                Issue.record("\(target) was overwritten")
            } catch {
                #expect(error.exitStatus == .refusedForSafety)
            }
        }
        #expect(try String(contentsOfFile: image.scratch.path + "/thesis", encoding: .utf8) == "years of work")
    }

    @Test func filesThatAreNoImagesAreRefused() throws {
        let image = try TestImage()
        try image.scratch.write("noise", Data(repeating: 0x5A, count: 1 << 20))
        let target = image.scratch.path + "/stick"
        for (path, status) in [("/noise", ExitStatus.badInput), ("/absent", .missingInput)] {
            do {
                _ = try StickWriter(image: image.scratch.path + path).write(to: target, personalisation: nil)
                Issue.record("\(path) was written")
            } catch {
                #expect(error.exitStatus == status)
            }
        }
    }

    /// On a larger stick the second table lies at the end, and sfdisk finds nothing to complain about.
    @Test func tableIsFittedToALargerStick() throws {
        let image = try TestImage()
        let size = TestImage.size + (3 << 20) + 512
        let source = try ImageFile(image.path)
        let layout = try StickLayout(source, available: size, needed: 0, target: "the stick")
        let contents = try StickContents(try SharedImage(image.path), layout, personalisation: nil)
        var stick = [UInt8](repeating: 0, count: size)
        stick.replaceSubrange(0..<layout.head.count, with: layout.head)
        stick.replaceSubrange(layout.tail.offset..<size, with: layout.tail.bytes)
        #expect(contents.zeros.isEmpty)
        for range in contents.ranges {
            stick.replaceSubrange(range.offset..<range.offset + range.count, with: try contents.piece(range).bytes)
        }
        try image.scratch.write("stick", Data(stick))
        let path = image.scratch.path + "/stick"
        let verified = try HostProgram("sfdisk").result(["--verify", path])
        let words = String(decoding: verified.output + verified.errors, as: UTF8.self)
        #expect(verified.isSuccess)
        #expect(words.contains("No errors detected"))
        #expect(!words.contains("size mismatch") && !words.contains("backup"))
        let table = try GUIDPartitionTable(MemoryStore(stick))
        #expect(table.damage == nil)
        #expect(table.partitions.count == 3)
        #expect(throws: ProvisioningError.self) {
            _ = try StickLayout(source, available: TestImage.size - 512, needed: 0, target: "the stick")
        }
    }
}
