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

    init(over file: String) throws {
        path = try runTool("losetup", ["--find", "--show", file]).trimmed
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
