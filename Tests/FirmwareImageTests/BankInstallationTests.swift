import Platform
import BoardSupport
import Contract
import Disk
import Foundation
import StickState
import TestSupport
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
        try #require(try ImageFile(stick.path).volume("VSMP-CONFIG")).put(path, .bytes(Array(text.utf8)))
    }

    private func system() throws -> FATVolume { try #require(try ImageFile(stick.path).volume(ImageLayout.systemName)) }

    /// Other bytes in place of the bank's kernel, or of another of its files.
    private func damage(_ bank: Bank, _ name: String = "VMLINUZ") throws { try system().put("\(bank.folder)/\(name)", .bytes(Array("damage".utf8))) }

    private func rename(_ program: String, _ new: String) throws { try system().rename("\(BootProgramName.folder)/\(program)", to: new) }

    private func environment() throws -> GrubEnvironment {
        try #require(try system().read(GrubEnvironment.path).flatMap { GrubEnvironment(Data($0)) })
    }

    private func count(_ bank: Bank, _ tries: BootTries?) throws {
        var block = try environment()
        block[bank] = tries
        try system().put(GrubEnvironment.path, .bytes(try #require(block.bytes)))
    }

    /// A new bank has carried a machine.
    private func prove(_ bank: Bank) throws {
        try rename(BootProgramName(bank, .new).name, BootProgramName(bank, .good).name)
        try count(bank, .good)
    }

    private func mark(_ bank: Bank) throws {
        let partition = try #require(try ImageFile(stick.path).partitionTable.partition(named: StateStore.partitionName))
        var facts = NodeFacts()
        facts.badFirmware = [try ImageReader(stick, bank: bank).manifest.firmwareHash]
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

    /// Stands for a stick: the same through a block device.
    @Test(.enabled(if: getuid() == 0 && HostProgram.locate("losetup") != nil, "loop devices need root and losetup"))
    func aDeviceIsUpdatedAsAFileIs() throws {
        let output = try HostProgram("losetup").data(["--find", "--show", stick.path])
        let device = String(decoding: output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        defer { _ = try? HostProgram("losetup").data(["--detach", device]) }
        let url = URL(fileURLWithPath: device)
        let report = try ImageReader(url).install(try ImageReader(images[1]))
        #expect(report.bank == .b && report.kept == 1)
        for bank in Bank.allCases { try ImageReader(url, bank: bank).verify() }
        #expect(try ImageReader(stick).banks == [.a: .good, .b: .new], "on the medium")
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

    /// Images that came with other boot loaders, in both banks: those on the stick are still the ones that it was written with.
    @Test func aSticksOwnBootLoadersStayKnown() throws {
        var (workshop, _) = try ImageBuildTests.shared.get()
        let own = try ImageReader(stick).manifest.loaders
        for version in 5...6 as ClosedRange<UInt8> {
            workshop = try workshop.copy()
            workshop.builder.version = UInt32(version)
            try workshop.replaceNode("#!/bin/busybox sh\n# version \(version)\n")
            let image = scratch.url.appendingPathComponent("\(version).img")
            let core = try ImageReader(images[0]).bootCode().core + [version]
            try FlawedImage.make(image, by: workshop.builder, bootCode: BIOSBootCode(bootSector: Data(repeating: version, count: 440), core: core), signer: nil)
            #expect(try ImageReader(image).manifest.loaders != own)
            try prove(try ImageReader(stick).install(try ImageReader(image)).bank)
            for bank in Bank.allCases { try ImageReader(stick, bank: bank).verify() }
        }
        #expect(try ImageReader(stick).manifest.loaders == own)
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

    /// At any step the stick has its good bank, none that is half written and starts, and takes the same update again.
    @Test func anUpdateThatIsCutOffCanBeRepeated() throws {
        _ = try install(3)
        try count(.b, .left(0))
        var cuts: [URL] = []
        _ = try ImageReader(stick).install(try ImageReader(images[3])) { step in
            let cut = scratch.url.appendingPathComponent("cut\(cuts.count)")
            do { try FileManager.default.copyItem(at: stick, to: cut) } catch { Issue.record("\(step): \(error)") }
            cuts.append(cut)
        }
        #expect(cuts.count > 8)
        let renamed = try ImageReader(cuts[1]).system.files()
        #expect(renamed.contains("EFI/Linux/vsmp-b+3.new"), "the old program loses its name before its clusters")
        // Between GRUB's block and the rename.
        try rename("vsmp-b+3.efi", "vsmp-b+3.new")
        cuts.append(stick)
        for (number, cut) in cuts.enumerated() {
            let reader = try ImageReader(cut)
            try reader.verify()
            #expect(reader.bank == .a && reader.banks == (number == 0 ? [.a: .good, .b: .left(0)] : [.a: .good]), "cut \(number)")
            guard number % 4 == 1 || number > cuts.count - 3 else { continue }
            let report = try ImageReader(cut).install(try ImageReader(images[3]))
            #expect(report.bank == .b && report.kept == 1)
            let whole = try ImageReader(cut)
            #expect(whole.bank == .b && whole.banks == [.a: .good, .b: .new])
            try whole.verify()
            let names = try whole.system.files().filter { $0.hasPrefix(BootProgramName.folder) }
            #expect(names.sorted() == ["EFI/Linux/vsmp-a.efi", "EFI/Linux/vsmp-b+3.efi"])
        }
    }

    /// GRUB's block calls the bank empty: a program was written whose bank nobody has checked.
    @Test func aProgramThatGRUBsBlockDoesNotKnowCountsAsUnfinished() throws {
        _ = try install(2)
        try count(.b, nil)
        #expect(try ImageReader(stick).bank == .a)
        #expect(try VSMP.run(["image", "verify", stick.path]).output.contains("bank b: whole"), "UEFI would start it")
        try damage(.b)
        #expect(try VSMP.run(["image", "verify", stick.path]).status == 74)
        #expect(try install(2).bank == .b)
    }

    /// What an update left half done takes no room from the next.
    @Test func leftoversAreNotCountedAsUsed() throws {
        let partition = try system()
        let room = try partition.freeBytes() - (256 << 10)
        try partition.put(Bank.b.unfinishedProgram, .bytes([UInt8](repeating: 0, count: room / 2)))
        try partition.makeFolder(Bank.b.folder)
        try partition.put("VSMP/B/INITRD", .bytes([UInt8](repeating: 0, count: room / 2)))
        #expect(try install(2).bank == .b)
        try ImageReader(stick).verify()
    }

    /// A cut between two writes of mcopy: the folder names a file of which the table knows nothing, or only the beginning.
    @Test(arguments: [0, 5])
    func aFileThatTheTableDoesNotKnowIsRemovedAndTheFileSystemStaysWhole(known: Int) throws {
        let partition = try system()
        let path = Bank.b.unfinishedProgram
        try partition.put(path, .bytes([UInt8](repeating: 0, count: 40_000)))
        let reader = try partition.reader()
        let geometry = reader.geometry
        let entry = try #require(try reader.entry(path))
        let first = try #require(reader.chain(of: entry).runs.first).lowerBound
        let count = (40_000 + geometry.clusterSize - 1) / geometry.clusterSize
        var content = try Data(contentsOf: stick)
        for cluster in first + known..<first + count {
            for entry in geometry.entries(ofCluster: cluster) {
                let place = partition.offset + entry
                content.replaceSubrange(place..<place + 4, with: [0, 0, 0, 0])
            }
        }
        let heads = geometry.entries(ofCluster: 0).map { partition.offset + $0 }.map { content[$0..<$0 + 8] }
        try content.write(to: stick)
        #expect(try install(2).bank == .b)
        for bank in Bank.allCases { try ImageReader(stick, bank: bank).verify() }
        content = try Data(contentsOf: stick)
        for head in heads { #expect(content[head.startIndex..<head.endIndex] == head, "the media descriptor") }
        #expect(try partition.allocation(of: [GrubEnvironment.path]) == (1024 + geometry.clusterSize - 1) / geometry.clusterSize * geometry.clusterSize)
    }

    private static let fullBlock = GrubEnvironment(["x": String(repeating: "y", count: 996)]).bytes.map { Data($0) }

    @Test(arguments: [Data(), Data("rubbish".utf8), Data(repeating: 0, count: 1024), fullBlock, nil])
    func whatTheLoadersChooseByIsMadeAnewWhereItIsMissingOrDamaged(content: Data?) throws {
        _ = try install(2)
        for path in [GrubEnvironment.path, LoaderConfiguration.path] {
            if let content { try system().put(path, .bytes([UInt8](content))) } else { try system().remove(path) }
        }
        #expect(try ImageReader(stick).banks == [.a: .good, .b: .new])
        let report = try install(3)
        #expect(report.bank == .b && report.kept == 1)
        let block = try environment()
        #expect(block.first == .b && block[.a] == .good && block[.b] == .new)
        #expect(try system().read(LoaderConfiguration.path) == LoaderConfiguration().bytes)
        try ImageReader(stick).verify()
    }

    /// A cut leaves the old or the new bytes: one sector of the stick changes, and no folder or table of the file system.
    @Test func whatTheLoadersChooseByIsChangedInPlace() throws {
        func sectors(_ body: () throws -> Void) throws -> Int {
            let before = try Data(contentsOf: stick)
            try body()
            let after = try Data(contentsOf: stick)
            guard before.count == after.count else { return -1 }
            return stride(from: 0, to: before.count, by: 512).count { before[$0..<min($0 + 512, before.count)] != after[$0..<min($0 + 512, before.count)] }
        }
        var block = try environment()
        block[.b] = .left(2)
        let bytes = try #require(block.bytes)
        #expect(try sectors { try system().overwrite(GrubEnvironment.path, with: bytes) } == 1)
        #expect(try system().read(GrubEnvironment.path) == bytes)
        let chosen = LoaderConfiguration(preferred: .b).bytes
        #expect(try sectors { try system().overwrite(LoaderConfiguration.path, with: chosen) } == 1)
        #expect(try system().read(LoaderConfiguration.path) == chosen)
        #expect(try sectors { try system().overwrite(LoaderConfiguration.path, with: chosen) } == 0)
        _ = try install(2)
        #expect(try sectors { try rename("vsmp-b+3.efi", "vsmp-b+3.new") } == 1, "the last step")
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
    func aBankWithoutAManifestCountsAsBadAndIsReplaced(isMissing: Bool) throws {
        _ = try install(3)
        try prove(.b)
        if isMissing { try system().remove("VSMP/B/MANIFEST.TXT") } else { try damage(.b, "MANIFEST.TXT") }
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
        #expect(try install(2).bank == .b)
        try ImageReader(stick).verify()
    }

    @Test func aBadBankIsReplacedWhateverItsVersion() throws {
        _ = try install(3)
        try rename("vsmp-b+3.efi", "vsmp-b+0-3.efi")
        #expect(try ImageReader(stick).manifest.version == 1, "the newest that is not bad")
        #expect(try install(2).bank == .b)
        #expect(try ImageReader(stick).banks == [.a: .good, .b: .new])
    }

    /// Two revisions are two boards, in the manifest and on the console.
    @Test func aFirmwareForAnotherRevisionIsRefused() throws {
        let source = String(decoding: try read(repository.appendingPathComponent("boards/qemu-q35/qemu-q35.dts")), as: UTF8.self)
        var boards = ["qemu-q35/qemu-q35.dts": Data(source.utf8)]
        for revision in ["1", "2"] {
            boards["qemu-q35/qemu-q35@\(revision).dts"] = Data("/dts-v1/;\n/include/ \"qemu-q35.dts\"\n/ { revision = \"\(revision)\"; };\n".utf8)
        }
        let sources = try folder(boards)
        func build(_ name: String, version: UInt32) throws -> ImageReader {
            let contents = BoardContents(try BoardCatalogue(path: sources.url.path).load(name))
            var other = try ImageBuildTests.shared.get().0.copy()
            other.builder.version = version
            other.builder.board = BoardContents(name: contents.name, deviceTree: contents.deviceTree, modules: other.builder.board.modules)
            return try ImageReader(try other.build())
        }
        let held = try build("qemu-q35@1", version: 1)
        #expect(held.manifest.board == "qemu-q35@1")
        #expect(try held.rootArchive().entries["etc/vsmp/board"] == .file(Data("qemu-q35@1\n".utf8), permissions: 0o644))
        let refused = imageError { _ = try held.install(try build("qemu-q35@2", version: 2)) }
        #expect(refused?.exitStatus == .badInput)
        #expect(refused?.description.contains("it is for the board qemu-q35@2, the stick for qemu-q35@1") == true)
        #expect(try held.install(try build("qemu-q35@1", version: 2)).version == 2)
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

    /// What `vsmp machine update` takes.
    @Test func aBundleIsTheImagesFirmwareAndNothingElse() throws {
        let file = scratch.url.appendingPathComponent("new.vsb")
        let run = try VSMP.run(["image", "bundle", images[1].path, "--output", file.path])
        #expect(run.status == 0 && run.output.contains("new.vsb: version 2, firmware hash "), "\(run.errors)")
        let (bundle, image) = (try FirmwareBundle([UInt8](try Data(contentsOf: file)), name: "new.vsb"), try ImageReader(images[1]))
        #expect(bundle.manifest.facts == image.manifest.facts && bundle.manifest.board == image.manifest.board)
        #expect(bundle.files.map(\.name) == image.manifest.files.map(\.name))
        for file in bundle.files { #expect(try Data(file.content) == image.contents(of: file.name), "\(file.name)") }
        #expect(try Data(bundle.manifestText) == image.contents(of: BootFiles.manifest))
        try damage(.a)
        let damaged = try VSMP.run(["image", "bundle", stick.path, "--output", scratch.url.appendingPathComponent("none").path])
        #expect(damaged.status == 74 && damaged.errors.contains("VMLINUZ is not what the manifest says"), "\(damaged.errors)")
        #expect(!FileManager.default.fileExists(atPath: scratch.url.appendingPathComponent("none").path))
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
