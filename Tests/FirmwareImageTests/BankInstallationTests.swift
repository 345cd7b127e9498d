import BoardSupport
import Foundation
import StickState
import Testing

@testable import FirmwareImage

/// A newer firmware goes into the bank that is not needed.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct BankInstallationTests {
    private static let shared = Result {
        var (workshop, first) = try ImageBuildTests.shared.get()
        var images = [first]
        for version in 2...4 {
            workshop = try workshop.copy()
            workshop.builder.version = UInt32(version)
            try workshop.replaceNode("#!/bin/busybox sh\n# version \(version)\n")
            images.append(try workshop.build())
        }
        return images
    }
    private let images: [URL]
    private let scratch: Scratch
    private var stick: URL { scratch.url.appendingPathComponent("stick") }

    init() throws {
        images = try Self.shared.get()
        scratch = try Scratch("install")
        try FileManager.default.copyItem(at: images[0], to: stick)
    }

    private func install(_ version: Int) throws -> BankInstallation {
        try ImageReader(stick).install(try ImageReader(images[version - 1]))
    }

    private func put(_ text: String, _ path: String) throws {
        let offset = try #require(try GUIDPartitionTable(of: stick).partition(named: "VSMP-CONFIG")).offset
        let file = scratch.url.appendingPathComponent("file")
        try write(Data(text.utf8), to: file)
        try HostTool.run("mcopy", ["-o", "-i", "\(stick.path)@@\(offset)", file.path, "::/\(path)"])
    }

    /// The boot partition, for mtools.
    private func place() throws -> String {
        "\(stick.path)@@\(try #require(try GUIDPartitionTable(of: stick).partition(named: ImageLayout.systemName)).offset)"
    }

    /// Other bytes in place of the bank's kernel, or of another of its files.
    private func damage(_ bank: Bank, _ name: String = "VMLINUZ") throws {
        let file = scratch.url.appendingPathComponent("damage")
        try write(Data("damage".utf8), to: file)
        try HostTool.run("mcopy", ["-o", "-i", place(), file.path, "::/\(bank.folder)/\(name)"])
    }

    private func rename(_ program: String, _ new: String) throws {
        try HostTool.run("mren", ["-i", place(), "::/\(BootProgramName.folder)/\(program)", new])
    }

    private func count(_ bank: Bank, _ tries: BootTries?) throws {
        var block = try #require(GrubEnvironment(try ImageReader(stick).systemFile(GrubEnvironment.path)))
        block[bank] = tries
        let file = scratch.url.appendingPathComponent("block")
        try write(Data(try #require(block.bytes)), to: file)
        try HostTool.run("mcopy", ["-o", "-i", place(), file.path, "::/\(GrubEnvironment.path)"])
    }

    /// A new bank has carried a machine.
    private func prove(_ bank: Bank) throws {
        try rename(BootProgramName(bank, .new).name, BootProgramName(bank, .good).name)
        try count(bank, .good)
    }

    private func mark(_ bank: Bank) throws {
        let partition = try #require(try GUIDPartitionTable(of: stick).partition(named: StateStore.partitionName))
        var facts = NodeFacts()
        facts.badFirmware = [try ImageReader(stick, bank: bank).manifest.firmwareHash.description]
        try StateStore(path: stick.path, offset: partition.offset).write(facts)
    }

    @Test func theNewFirmwareIsWholeAndTheOldOneStays() throws {
        try put("kit=a\n", "machine.conf")
        let report = try install(2)
        #expect(report.bank == .b && report.version == 2 && report.kept == 1)
        let new = try ImageReader(stick)
        #expect(new.bank == .b && new.banks == [.a: .good, .b: .new] && new.manifest.version == 2)
        try new.verify()
        try ImageReader(stick, bank: .a).verify()
        #expect(try ImageReader(stick, bank: .a).manifest == ImageReader(images[0]).manifest)
        #expect(try new.manifest == ImageReader(images[1]).manifest)
        let environment = try #require(GrubEnvironment(try new.systemFile(GrubEnvironment.path)))
        #expect(environment.first == .b && environment[.a] == .good && environment[.b] == .new)
        #expect(try new.contents(of: "machine.conf", inPartition: "VSMP-CONFIG") == Data("kit=a\n".utf8))
    }

    @Test func theOlderBankIsReplacedNext() throws {
        _ = try install(2)
        try prove(.b)
        let report = try install(3)
        #expect(report.bank == .a && report.kept == 2)
        let reader = try ImageReader(stick)
        #expect(reader.bank == .a && reader.manifest.version == 3 && reader.banks[.a] == .new)
        try reader.verify()
        try ImageReader(stick, bank: .b).verify()
        try prove(.a)
        #expect(try install(4).bank == .b)
    }

    @Test func aBankThatHasYetToProveItselfIsReplacedBeforeAGoodOne() throws {
        _ = try install(2)
        let report = try install(3)
        #expect(report.bank == .b && report.kept == 1)
        try ImageReader(stick, bank: .a).verify()
        #expect(try ImageReader(stick).banks == [.a: .good, .b: .new])
    }

    /// BIOS counts in GRUB's block alone, and a node's mark stands in its state store: the UEFI program's name says nothing of either.
    @Test(arguments: [true, false])
    func aBankThatIsBadForBIOSOrForTheNodeIsReplaced(byMark: Bool) throws {
        _ = try install(3)
        if byMark {
            try prove(.b)
            try mark(.b)
        } else {
            try count(.b, .left(0))
        }
        let before = try ImageReader(stick)
        #expect(before.banks == [.a: .good, .b: .left(0)] && before.bank == .a)
        #expect(try VSMP.run(["image", "ls", stick.path]).output.contains("bank b         bad\n"))
        let report = try install(2)
        #expect(report.bank == .b && report.kept == 1)
        try ImageReader(stick, bank: .a).verify()
    }

    @Test func whatStaysIsVerifiedBeforeAnythingIsErased() throws {
        _ = try install(2)
        try prove(.b)
        try damage(.b)
        #expect(try install(3).bank == .b, "the newer good one is damaged")
        try damage(.a)
        try damage(.b)
        let before = try ContentDigest(ofFile: stick)
        let error = imageError { _ = try install(4) }
        #expect(error?.exitStatus == .inputOutput && error?.description.contains("bank a:") == true, "\(error?.description ?? "installed")")
        #expect(try ContentDigest(ofFile: stick) == before)
    }

    /// systemd-boot writes the starts that are behind a bank into its name, too.
    @Test(arguments: [("vsmp-b+2-1.efi", BootTries.left(2)), ("vsmp-b+0-3.efi", .left(0))])
    func aStickWhoseNewBankWasStartedIsReadWhole(name: String, tries: BootTries) throws {
        _ = try install(2)
        try rename("vsmp-b+3.efi", name)
        let reader = try ImageReader(stick, bank: .b)
        #expect(reader.banks == [.a: .good, .b: tries])
        try reader.verify()
        let all = try reader.extract(to: scratch.url.appendingPathComponent("all"))
        #expect(all.written.contains(BootFiles.program))
        #expect(try reader.differences(from: ImageReader(images[1])).isEmpty)
        for command in [["verify"], ["ls", "--files", "--bank", "b"]] {
            let run = try VSMP.run(["image"] + command + [stick.path])
            #expect(run.status == 0, "\(run.errors)")
        }
        let folder = scratch.url.appendingPathComponent("some").path
        let run = try VSMP.run(["image", "extract", stick.path, BootFiles.program, "--output", folder])
        #expect(run.status == 0, "\(run.errors)")
    }

    @Test(arguments: [true, false])
    func aBankWithoutAManifestCountsAsBad(isMissing: Bool) throws {
        _ = try install(3)
        if isMissing { try HostTool.run("mdel", ["-i", place(), "::/VSMP/B/MANIFEST.TXT"]) } else { try damage(.b, "MANIFEST.TXT") }
        let reader = try ImageReader(stick)
        #expect(reader.bank == .a && reader.banks == [.a: .good, .b: .left(0)])
        try reader.verify()
        #expect(try reader.differences(from: ImageReader(images[0])).isEmpty)
        _ = try reader.extract(["VMLINUZ"], to: scratch.url.appendingPathComponent("some"))
        let list = try VSMP.run(["image", "ls", stick.path])
        #expect(list.status == 0 && list.output.contains("bank b         bad\n"), "\(list.errors)")
        let whole = try VSMP.run(["image", "verify", stick.path])
        #expect(whole.status == 74 && whole.output.contains("bank a: whole"), "\(whole.errors)")
        #expect(whole.errors.contains("bank b: VSMP/B/MANIFEST.TXT cannot be used"), "\(whole.errors)")
        #expect(try VSMP.run(["image", "ls", "--bank", "b", stick.path]).status == 74)
    }

    @Test func aBadBankIsReplacedWhateverItsVersion() throws {
        _ = try install(3)
        let offset = try #require(try GUIDPartitionTable(of: stick).partition(named: ImageLayout.systemName)).offset
        try HostTool.run("mren", ["-i", "\(stick.path)@@\(offset)", "::/EFI/Linux/vsmp-b+3.efi", "vsmp-b+0-3.efi"])
        #expect(try ImageReader(stick).manifest.version == 1, "the newest that is not bad")
        #expect(try install(2).bank == .b)
        #expect(try ImageReader(stick).banks == [.a: .good, .b: .new])
    }

    @Test func whatIsNotNewerOrForSomethingElseIsRefusedAndNothingChanges() throws {
        _ = try install(2)
        let before = try ContentDigest(ofFile: stick)
        let same = imageError { _ = try install(2) }
        #expect(same?.exitStatus == .badInput && same?.description.contains("a higher --image-version") == true)
        var other = try ImageBuildTests.shared.get().0.copy()
        other.builder.version = 9
        other.builder.board = BoardContents(name: "huge", deviceTree: Data([1]), modules: [])
        let board = try other.build()
        let refused = imageError { _ = try ImageReader(stick).install(try ImageReader(board)) }
        #expect(refused?.description.contains("it is for the board huge, the stick for tiny") == true)
        other = try ImageBuildTests.shared.get().0.copy()
        (other.builder.version, other.builder.purpose) = (9, .release)
        let release = try other.build()
        #expect(imageError { _ = try ImageReader(stick).install(try ImageReader(release)) }?.description.contains("release image") == true)
        #expect(try ContentDigest(ofFile: stick) == before)
    }

    @Test func theCommandInstallsAndShowsBothBanks() throws {
        let run = try VSMP.run(["usb", "update", images[1].path, stick.path])
        #expect(run.status == 0 && run.output.contains("bank b holds version 2") && run.output.contains("version 1 stays"), "\(run.errors)")
        let list = try VSMP.run(["image", "ls", stick.path])
        #expect(list.output.contains("bank a         good\n") && list.output.contains("bank b         new, 3 starts left, shown here"))
        let first = try VSMP.run(["image", "ls", "--bank", "a", stick.path])
        #expect(first.output.contains("version        1\n") && first.output.contains("bank a         good, shown here"))
        #expect(try VSMP.run(["image", "ls", "--bank", "c", stick.path]).status == 64)
        #expect(try VSMP.run(["image", "ls", "--bank", "b", images[0].path]).status == 66)
        let whole = try VSMP.run(["image", "verify", stick.path])
        #expect(whole.status == 0 && whole.output.contains("\(stick.path), bank a: whole, development") && whole.output.contains(", bank b: whole"))
        try damage(.a)
        let damaged = try VSMP.run(["image", "verify", stick.path])
        #expect(damaged.status == 74 && damaged.errors.contains("VMLINUZ is not what the manifest says"), "\(damaged.errors)")
        let again = try VSMP.run(["usb", "update", images[1].path, stick.path])
        #expect(again.status == 65, "\(again.errors)")
        #expect(try VSMP.run(["usb", "update", images[1].path, scratch.url.path + "/none"]).status == 66)
        #expect(try VSMP.run(["usb", "update", images[1].path, images[1].path]).status == 77)
    }
}
