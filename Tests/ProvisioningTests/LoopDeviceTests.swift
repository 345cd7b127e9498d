import Bytes
import Contract
import BoardSupport
import Disk
import Foundation
import Platform
import Testing

@testable import Provisioning

private let loopObstacle: String? = {
    if getuid() != 0 { return "writing loop devices needs root" }
    if HostProgram.locate("losetup") == nil { return "losetup is not installed" }
    if !FileManager.default.fileExists(atPath: "/dev/loop-control") { return "the kernel has no loop devices" }
    return nil
}()

/// A loop device over a file of its own; detached with the value.
private final class LoopDevice {
    let path: String
    let name: String

    init(over file: String, sectorSize: Int = 512) throws {
        path = try runTool("losetup", ["--find", "--show", "--sector-size", String(sectorSize), file]).trimmed
        name = String(path.dropFirst("/dev/".count))
    }

    deinit { _ = try? runTool("losetup", ["--detach", path]) }
}

@Suite(
    .serialized, .enabled(if: loopObstacle == nil, "skipped: \(loopObstacle ?? "")"))
struct LoopDeviceTests {
    private func loop(_ image: TestImage, size: Int) throws -> LoopDevice {
        try image.scratch.write("backing", Data(repeating: 0xEE, count: size))
        return try LoopDevice(over: image.scratch.path + "/backing")
    }

    @Test func blockDeviceIsWrittenVerifiedAndFitted() throws {
        let image = try TestImage()
        let loop = try loop(image, size: 32 << 20)
        let personalisation = StickPersonalisation(kit: try testKit(), node: 1)
        _ = try StickWriter(image: image.path, permitting: [.notRemovable, .notUSB]).write(
            to: loop.path, personalisation: personalisation)
        let backing = image.scratch.path + "/backing"
        let words = try runTool("sfdisk", ["--verify", backing])
        #expect(words.contains("No errors detected"))
        #expect(
            try runTool("mtype", ["-i", backing + "@@\(TestImage.configurationOffset)", "::/machine.conf"])
                == "kit=kit-test\nnodes=2\nnode=1\n")
    }

    @Test func aDiskIsWipedAndAFixedOneStaysUntouched() throws {
        let image = try TestImage()
        let loop = try loop(image, size: 32 << 20)
        _ = try StickWriter(image: image.path, permitting: [.notRemovable, .notUSB]).write(to: loop.path, personalisation: StickPersonalisation(kit: try testKit(), node: 1))
        let backing = image.scratch.path + "/backing"
        let before = try image.bytes(of: backing)
        let error = #expect(throws: ProvisioningError.self) { try StickWipe().wipe([.init(loop.path)]) }
        #expect(try error?.exitStatus == .refusedForSafety && image.bytes(of: backing) == before)
        let changed = BlockDevice.Identity(size: 1, serial: nil)
        #expect(throws: ProvisioningError.self) { try StickWipe(permitting: [.notRemovable, .notUSB]).wipe([.init(loop.path, expected: changed)]) }
        #expect(try image.bytes(of: backing) == before)
        _ = try StickWipe(permitting: [.notRemovable, .notUSB]).wipe([.init(loop.path)])[0].get()
        let after = try image.bytes(of: backing)
        #expect(after[TestImage.configurationOffset..<TestImage.configurationOffset + TestImage.configurationSize].allSatisfy { $0 == 0 })
        #expect(after[..<(1 << 20)].allSatisfy { $0 == 0 } && after.suffix(24 << 10).allSatisfy { $0 == 0 })
    }

    /// Partition table and both file systems have sectors of 4096 bytes, and every file is there; the table can be mended.
    @Test func aStickWithLargeSectorsGetsItsOwnTableAndFileSystems() throws {
        let image = try TestImage()
        let files: [String: FATVolume.Content] = ["EFI/BOOT/BOOTX64.EFI": .bytes((0..<300_000).map { UInt8(truncatingIfNeeded: $0 * 7) }), "VSMP/GRUBENV": .bytes([1, 2, 3])]
        try image.fillBootPartition(files)
        try image.scratch.write("backing", Data(repeating: 0xEE, count: 40 << 20))
        let backing = image.scratch.path + "/backing"
        let loop = try LoopDevice(over: backing, sectorSize: 4096)
        let permitted: Set<Refusal.Rule> = [.notRemovable, .notUSB]
        let report = try StickWriter(image: image.path, permitting: permitted).write(to: loop.path, personalisation: StickPersonalisation(kit: try testKit(), node: 1))
        #expect(report.bytes < 24 << 20)
        #expect(try runTool("sfdisk", ["--verify", loop.path]).contains("No errors detected"))
        let table = try GUIDPartitionTable(FileStore(reading: backing))
        #expect(table.sectorSize == 4096 && table.damage == nil && table.partitions.count == 3)
        for (name, expected) in [("VSMP-BOOT", files.keys.sorted()), ("VSMP-CONFIG", ["cluster.key", "machine.conf"])] {
            let place = try #require(table.partition(named: name))
            let volume = FATVolume(place, of: backing)
            #expect(try volume.files().sorted() == expected)
            #expect(try FileStore(reading: backing).read(at: place.offset + 11, count: 2) == [0x00, 0x10])
            try image.scratch.write("partition", Data(try FileStore(reading: backing).read(at: place.offset, count: place.size)))
            try runTool("fsck.fat", ["-n", image.scratch.path + "/partition"])
        }
        let boot = FATVolume(try #require(table.partition(named: "VSMP-BOOT")), of: backing)
        #expect(try boot.read("VSMP/GRUBENV") == [1, 2, 3] && boot.read("EFI/BOOT/BOOTX64.EFI")?.count == 300_000)

        let damaged = try FileStore(writingDevice: loop.path)
        try damaged.write([UInt8](repeating: 0, count: 4096), at: 4096)
        try damaged.flush()
        _ = consume damaged
        #expect(try StickRepair(permitting: permitted).repair(loop.path).damage != nil)
        #expect(try GUIDPartitionTable(FileStore(reading: loop.path)).damage == nil)
    }

    /// Of a large stick only what was written to it, and none of what lies between.
    @Test func aLargeStickIsAnImageNoLargerThanItsContent() throws {
        let image = try TestImage()
        try image.fillBootPartition(["EFI/BOOT/BOOTX64.EFI": .bytes([UInt8](repeating: 7, count: 100_000))])
        let loop = try loop(image, size: 256 << 20)
        let permitted: Set<Refusal.Rule> = [.notRemovable, .notUSB]
        _ = try StickWriter(image: image.path, permitting: permitted).write(to: loop.path, personalisation: nil)
        let copy = image.scratch.path + "/copy"
        let report = try StickWriter(image: loop.path).write(to: copy, personalisation: StickPersonalisation(kit: try testKit(), node: 1))
        let bytes = try image.bytes(of: copy)
        let size = try image.bytes(of: image.path).count
        #expect(bytes.count == size && report.bytes < size)
        #expect(try runTool("sfdisk", ["--verify", copy]).contains("No errors detected"))
        let store = try FileStore(reading: copy)
        let boot = FATVolume(try #require(try GUIDPartitionTable(store).partition(named: "VSMP-BOOT")), of: copy)
        #expect(try boot.read("EFI/BOOT/BOOTX64.EFI")?.count == 100_000)
        #expect(Data(bytes).range(of: Data(repeating: 0xEE, count: 8192)) == nil, "what the stick held before it was written")
    }

    @Test func fixedDiskIsRefusedAndUntouched() throws {
        let image = try TestImage()
        let loop = try loop(image, size: 32 << 20)
        do {
            _ = try StickWriter(image: image.path).write(to: loop.path, personalisation: nil)
            Issue.record("a fixed disk was written")
        } catch {
            #expect(error.exitStatus == .refusedForSafety)
            #expect(error.description.contains("fixed disk"))
        }
        #expect(try image.bytes(of: image.scratch.path + "/backing").allSatisfy { $0 == 0xEE })
    }

    @Test func smallStickIsRefusedBeforeAnythingIsWritten() throws {
        let image = try TestImage()
        let loop = try loop(image, size: 8 << 20)
        do {
            _ = try StickWriter(image: image.path, permitting: [.notRemovable, .notUSB]).write(
                to: loop.path, personalisation: nil)
            Issue.record("an image was written to a stick that is too small")
        } catch {
            #expect(error.exitStatus == .stickTooSmall && error.verdict == .tooSmall)
        }
        #expect(try image.bytes(of: image.scratch.path + "/backing").allSatisfy { $0 == 0xEE })
    }

    /// `usb update` holds the stick as `usb write` does: not while another program does.
    @Test func aStickThatAnotherProgramHoldsIsNotUpdated() throws {
        let image = try TestImage()
        let loop = try loop(image, size: 32 << 20)
        let writer = try StickWriter(image: image.path, permitting: [.notRemovable, .notUSB])
        let holder = try FileStore(writingDevice: loop.path)
        do {
            _ = try writer.update(loop.path)
            Issue.record("a stick that is in use was updated")
        } catch {
            #expect(error.exitStatus == .refusedForSafety && error.description.contains("another program is using it"), "\(error)")
        }
        try holder.flush()
    }

    /// The listing and the opened device differ, as when a stick was exchanged in between.
    @Test func exchangedStickIsRefusedAfterOpening() throws {
        let image = try TestImage()
        let loop = try loop(image, size: 32 << 20)
        let number = try String(contentsOfFile: "/sys/block/\(loop.name)/dev", encoding: .utf8)
        let folder = "sys/block/\(loop.name)"
        try image.scratch.write(folder + "/dev", number)
        try image.scratch.write(folder + "/size", "\((64 << 20) / 512)\n")
        try image.scratch.write(folder + "/removable", "1\n")
        do {
            _ = try StickWriter(image: image.path, root: image.scratch.path, permitting: [.notUSB]).write(
                to: loop.path, personalisation: nil)
            Issue.record("an exchanged stick was written")
        } catch {
            guard case .refused(let refusals) = error else {
                Issue.record("unexpected error \(error)")
                return
            }
            #expect(refusals.map(\.rule) == [.changed])
        }
        #expect(try image.bytes(of: image.scratch.path + "/backing").allSatisfy { $0 == 0xEE })
    }
}
