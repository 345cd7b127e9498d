import Contract
import Disk
import Foundation
import Platform
import TestSupport
import Testing

@testable import FirmwareImage

/// `vsmp usb` and `vsmp image` with what people name on their command lines.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct StickCommandTests {
    let workshop: Workshop
    let image: URL
    let scratch: Scratch

    init() throws {
        (workshop, image) = try ImageBuildTests.shared.get()
        scratch = try Scratch("stick-commands")
    }

    private func path(_ name: String) -> String { scratch.url.path + "/" + name }
    private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    /// Runs in the scratch folder.
    private func vsmp(_ arguments: String...) throws -> VSMP.Result { try VSMP.run(arguments, through: ["--chdir", scratch.url.path]) }

    /// Runs a script of bash in which `"$0"` is vsmp.
    private func script(_ text: String) throws -> VSMP.Result { try VSMP.run([], through: ["--chdir", scratch.url.path, "bash", "-c", text]) }

    private func makeKit() throws {
        let run = try vsmp("kit", "create", "--edition", "development", "--nodes", "2", "--out", "kit")
        #expect(run.status == 0, "\(run.errors)")
    }

    // MARK: Which stick

    @Test func oneStickUnderTwoNamesIsRefusedBeforeAnythingIsWritten() throws {
        try makeKit()
        for pair in [["a", "./a"], ["a", path("a")], ["kit/../a", "a"]] {
            let run = try vsmp("usb", "write", image.path, pair[0], pair[1], "--kit", "kit")
            #expect(run.status == 64 && run.errors.contains("one and the same stick"), "\(pair): \(run.status) \(run.errors)")
            #expect(!exists("a"))
        }
        #expect(try vsmp("usb", "write", image.path, "old").status == 0)
        let before = try ContentDigest(ofFile: URL(fileURLWithPath: path("old")))
        try FileManager.default.createSymbolicLink(atPath: path("symbolic"), withDestinationPath: "old")
        try FileManager.default.linkItem(atPath: path("old"), toPath: path("hard"))
        for other in ["symbolic", "hard"] {
            let run = try vsmp("usb", "write", image.path, "old", other, "--kit", "kit")
            #expect(run.status == 64 && run.errors.contains("old and \(other) are one and the same stick"), "\(run.status) \(run.errors)")
        }
        #expect(try ContentDigest(ofFile: URL(fileURLWithPath: path("old"))) == before)
    }

    // MARK: Signals

    private func start(_ words: [String], temporary: String, log: borrowing FileDescriptor) throws -> ChildProcess {
        let vsmp = try #require(VSMP.executable, "vsmp is not beside the test bundle").path
        return try HostProgram("env").start(["--chdir=\(scratch.url.path)", "TMPDIR=\(temporary)", vsmp] + words, output: log.rawValue)
    }

    /// At whatever moment: a new file is a whole stick or is not there, and the file of a stick is a whole one or empty.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func aSignalLeavesNoHalfOfAStick(signal: Int32) throws {
        try makeKit()
        let temporary = path("temporary")
        try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
        #expect(try vsmp("usb", "write", image.path, "old").status == 0)
        let log = try FileDescriptor(opening: path("log"), for: .write, [.create])
        for (number, delay) in [5, 10, 20, 40, 60, 80, 120, 160, 240, 320, 480, 640].enumerated() {
            let target = number % 2 == 0 ? "new" : "old"
            let process = try start(["usb", "write", image.path, target, "--kit", "kit", "--node", "0"], temporary: temporary, log: log)
            usleep(UInt32(delay) * 1000)
            kill(process.identifier, signal)
            while process.isRunning { usleep(1000) }
            #expect(process.exit == .signal(signal) || process.exit == .status(0), "after \(delay) ms: \(process.exit.debugDescription)")
            #expect(try FileManager.default.subpathsOfDirectory(atPath: temporary) == [], "after \(delay) ms")
            guard exists(target) else {
                #expect(target == "new" && process.exit == .signal(signal), "after \(delay) ms")
                continue
            }
            let head = try FileHandle(forReadingFrom: URL(fileURLWithPath: path(target))).read(upToCount: 1 << 20) ?? Data()
            let isEmpty = head.allSatisfy { $0 == 0 }
            #expect(isEmpty == (try vsmp("image", "verify", target).status != 0) && !(isEmpty && target == "new"), "after \(delay) ms: \(target)")
            #expect(try vsmp("usb", "write", image.path, target, "--kit", "kit", "--node", "0", "--dry-run").status == 0, "after \(delay) ms")
            if target == "new" { try FileManager.default.removeItem(atPath: path(target)) }
        }
        #expect(try vsmp("usb", "write", image.path, "old", "--kit", "kit", "--node", "0").status == 0)
    }

    /// SIGKILL, which nothing can handle, at moments from the first on: the key is in the kit, in what was being written, and nowhere else.
    @Test(arguments: [UInt64(1), 2]) func aKilledWriteLeavesNoKey(seed: UInt64) throws {
        try makeKit()
        let key = try Data(contentsOf: URL(fileURLWithPath: path("kit/cluster.key"))).prefix(64)
        let temporary = path("temporary")
        try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
        let log = try FileDescriptor(opening: path("log"), for: .write, [.create])
        var random = SeededGenerator(seed: seed)
        for _ in 0..<10 {
            let delay = UInt32.random(in: 5...150, using: &random)
            let process = try start(["usb", "write", image.path, "0.stick", "1.stick", "--kit", "kit"], temporary: temporary, log: log)
            usleep(delay * 1000)
            kill(process.identifier, SIGKILL)
            while process.isRunning { usleep(1000) }
            for folder in ["/dev/shm", temporary] {
                for name in (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? [] {
                    guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"), options: .alwaysMapped) else { continue }
                    #expect(bytes.range(of: key) == nil, "after \(delay) ms: \(folder)/\(name)")
                }
            }
            for target in ["0.stick", "1.stick"] { try? FileManager.default.removeItem(atPath: path(target)) }
        }
    }

    /// The lab ends its boards, says so, and ends as by the signal.
    @Test(arguments: [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGHUP, "SIGHUP")])
    func aSignalEndsTheLabAndItsBoards(signal: Int32, name: String) throws {
        let temporary = path("temporary")
        try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
        let emulator = "#!/bin/sh\ntrap '' INT TERM HUP\necho $$ >>'\(path("boards"))'\nwhile :; do sleep 0.1; done\n"
        _ = try script("cat >emulator <<'E'\n\(emulator)E\nchmod 755 emulator")
        let log = try FileDescriptor(opening: path("log"), for: .write, [.create])
        let process = try start(["lab", "boot", "--image", image.path, "--boards-path", repository.appendingPathComponent("boards").path, "--board", "qemu-q35", "--nodes", "2", "--emulator", path("emulator")], temporary: temporary, log: log)
        func boards() -> [Int32] { ((try? String(contentsOfFile: path("boards"), encoding: .utf8)) ?? "").split(separator: "\n").compactMap { Int32($0) } }
        for _ in 0..<3000 where boards().count < 2 && process.isRunning { usleep(10_000) }
        kill(process.identifier, signal)
        while process.isRunning { usleep(10_000) }
        let said = try String(contentsOfFile: path("log"), encoding: .utf8)
        #expect(boards().count == 2 && process.exit == .signal(signal), "\(process.exit.debugDescription) \(said)")
        #expect(said.contains("lab: INFRASTRUCTURE (exit status \(128 + signal))") && said.contains("ended by \(name)"), "\(said)")
        #expect(boards().allSatisfy { kill($0, 0) != 0 })
        #expect(try FileManager.default.subpathsOfDirectory(atPath: temporary) == [])
    }

    @Test func theImageUnderAnotherNameIsNoTarget() throws {
        try FileManager.default.copyItem(atPath: image.path, toPath: path("image"))
        try FileManager.default.createSymbolicLink(atPath: path("link"), withDestinationPath: "image")
        for target in ["image", "./image", "link"] {
            let run = try vsmp("usb", "write", "image", target)
            #expect(run.status == 77 && run.errors.contains("it is the image itself"), "\(run.errors)")
            #expect(try vsmp("usb", "update", "image", target).status == 77)
        }
    }

    @Test func everyTargetIsCheckedBeforeTheFirstIsWritten() throws {
        try makeKit()
        try Data("years of work".utf8).write(to: URL(fileURLWithPath: path("thesis")))
        let run = try vsmp("usb", "write", image.path, "first", "thesis", "--kit", "kit")
        #expect(run.status == 77 && run.errors.contains("thesis: it is a file and holds something else"), "\(run.errors)")
        #expect(!exists("first"))
    }

    @Test func aDryRunSaysWhatWouldHappenAndWritesNothing() throws {
        try makeKit()
        #expect(try vsmp("usb", "write", image.path, "old").status == 0)
        let before = try ContentDigest(ofFile: URL(fileURLWithPath: path("old")))
        let run = try vsmp("usb", "write", image.path, "new", "old", "--kit", "kit", "--dry-run")
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.contains("new: a new file; it would get") && run.output.contains("nothing was written"))
        #expect(run.output.contains("old: a file that is a stick's image already; it loses VSMP-BIOS, VSMP-BOOT, VSMP-STATE, VSMP-CONFIG"), "\(run.output)")
        #expect(!exists("new"))
        #expect(try ContentDigest(ofFile: URL(fileURLWithPath: path("old"))) == before)
        let json = try vsmp("usb", "write", image.path, "new", "--dry-run", "--json")
        #expect(json.status == 0 && json.output.contains("\"kind\" : \"new-file\""), "\(json.output)")
    }

    // MARK: Names

    @Test(arguments: ["a@@1", "a,b", "-dash", "with space", "Schlüssel 鍵", "a'b\"c", "a.partial", "star*[1]?"])
    func aNameOfAnyCharactersWorksForImageStickAndGuest(name: String) throws {
        try makeKit()
        let folder = path("in " + name)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: image.path, toPath: folder + "/" + name)
        try Data(linuxKernel(count: 4096)).write(to: URL(fileURLWithPath: folder + "/k" + name))
        let run = try VSMP.run(
            ["usb", "write", "--kit", path("kit"), "--node", "0", "--kernel", "k" + name, "--", name, "s" + name], through: ["--chdir", folder])
        #expect(run.status == 0, "\(run.errors)")
        let stick = try ImageFile(folder + "/s" + name)
        #expect(try stick.volume("VSMP-CONFIG")?.read("guest/vmlinuz") == linuxKernel(count: 4096))
        let list = try VSMP.run(["image", "ls", "--", name], through: ["--chdir", folder])
        #expect(list.status == 0, "\(list.errors)")
    }

    @Test func namesThatCanBeNoStickAreRefusedByName() throws {
        for (target, status, words) in [
            ("new/", 64, "it ends with a slash"), ("-", 64, "standard output"), ("nowhere/new", 73, "there is no folder nowhere/"),
            ("", 64, "it is no name"), ("dangling", 64, "leads nowhere"), ("kit", 77, "neither a plain file"),
        ] as [(String, Int32, String)] {
            if target == "dangling" { try FileManager.default.createSymbolicLink(atPath: path("dangling"), withDestinationPath: "gone") }
            if target == "kit" { try makeKit() }
            let run = try vsmp("usb", "write", image.path, "--", target)
            #expect(run.status == status && run.errors.contains(words), "\(target): \(run.status) \(run.errors)")
        }
        let slash = try vsmp("image", "ls", image.path + "/")
        #expect(slash.status == 66 && slash.errors.contains("take the slash at its end away"), "\(slash.errors)")
        let folder = try vsmp("usb", "write", ".", "new")
        #expect(folder.status == 66 && folder.errors.contains("is a folder"), "\(folder.errors)")
    }

    // MARK: Packed images and pipes

    @Test(arguments: ["zstd", "xz", "gzip"])
    func aPackedImageIsReadByItsContent(tool: String) throws {
        let packed = try script("\(tool) -c -1 < '\(image.path)' > packed.img 2>err || cat err >&2")
        #expect(packed.status == 0 && exists("packed.img"), "\(packed.errors)")
        for command in [["verify", "packed.img"], ["ls", "packed.img"], ["diff", "packed.img", image.path], ["extract", "packed.img", "VMLINUZ", "-o", "out"]] {
            let run = try VSMP.run(["image"] + command, through: ["--chdir", scratch.url.path])
            #expect(run.status == 0, "\(command): \(run.errors)")
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path("out/boot/VMLINUZ"))) == workshop.kernel)
        #expect(try vsmp("usb", "write", "packed.img", "stick").status == 0)
        #expect(try ContentDigest(ofFile: URL(fileURLWithPath: path("stick"))) == ContentDigest(ofFile: image))
        #expect(try vsmp("usb", "write", "packed.img", "packed.img").status == 77, "the packed image is no target")

        let size = try Data(contentsOf: URL(fileURLWithPath: path("packed.img"))).count
        for damage in ["head -c \(size - 100) packed.img > bad", "(cat packed.img; echo rubbish) > bad"] {
            let run = try script("\(damage); \"$0\" image verify bad")
            #expect(run.status == 65 && run.errors.contains("bad cannot be unpacked with \(tool)"), "\(damage): \(run.status) \(run.errors)")
        }
    }

    @Test func imagesComeThroughPipes() throws {
        for text in [
            "\"$0\" image verify <(cat '\(image.path)')", "cat '\(image.path)' | \"$0\" image verify -", "\"$0\" image verify - < '\(image.path)'",
            "gzip -c1 '\(image.path)' | \"$0\" image verify -", "\"$0\" usb write <(cat '\(image.path)') stick",
        ] {
            let run = try script(text)
            #expect(run.status == 0, "\(text): \(run.errors)")
        }
        #expect(try ContentDigest(ofFile: URL(fileURLWithPath: path("stick"))) == ContentDigest(ofFile: image))
        try makeKit()
        let guest = try script("\"$0\" usb write '\(image.path)' other --kit kit --node 0 --kernel <(echo kernel)")
        #expect(guest.status == 65 && guest.errors.contains("is no plain file") && !exists("other"), "\(guest.errors)")
    }

    // MARK: Damaged tables

    @Test func aDamagedTableIsReadThroughItsBackupAndRepaired() throws {
        try FileManager.default.copyItem(atPath: image.path, toPath: path("stick"))
        let whole = try ContentDigest(ofFile: image)
        let store = try FileStore(changing: path("stick"))
        try store.write([UInt8](repeating: 0, count: 512), at: 512)
        let list = try vsmp("image", "ls", "stick")
        #expect(list.status == 0 && list.errors.contains("the primary copy is damaged") && list.errors.contains("vsmp usb repair"), "\(list.errors)")
        let refused = try vsmp("usb", "write", "stick", "new")
        #expect(refused.status == 65 && !exists("new"), "\(refused.errors)")
        #expect(try vsmp("usb", "repair", "stick", "--dry-run").output.contains("nothing was changed"))
        #expect(try ContentDigest(ofFile: URL(fileURLWithPath: path("stick"))) != whole)
        let run = try vsmp("usb", "repair", "stick")
        #expect(run.status == 0 && run.output.contains("both are whole again"), "\(run.errors)")
        #expect(try ContentDigest(ofFile: URL(fileURLWithPath: path("stick"))) == whole)
        #expect(try vsmp("image", "ls", "stick").errors.isEmpty)

        try store.write([UInt8](repeating: 0, count: 512), at: store.byteCount - 512)
        #expect(try vsmp("image", "ls", "stick").errors.contains("the backup at the end is damaged"))
        #expect(try vsmp("usb", "repair", "stick").status == 0)
        #expect(try ContentDigest(ofFile: URL(fileURLWithPath: path("stick"))) == whole)

        // The boot code before the table is not in the backup.
        try store.write([UInt8](repeating: 0, count: 34 * 512), at: 0)
        let boot = try vsmp("usb", "repair", "stick")
        #expect(boot.status == 0 && boot.output.contains("the boot code for BIOS is not that of its firmware"), "\(boot.output)")
        #expect(try ImageFile(path("stick")).partitionTable.damage == nil)

        for offset in [512, store.byteCount - 512] { try store.write([UInt8](repeating: 0, count: 512), at: offset) }
        let lost = try vsmp("usb", "repair", "stick")
        #expect(lost.status == 65 && lost.errors.contains("write the stick anew"), "\(lost.errors)")
    }

    // MARK: Sizes and kits

    /// The kit remembers what its sticks have, and compares.
    @Test func aStickThatDoesNotFitTheKitsOthersIsRefusedOrTold() throws {
        try makeKit()
        func write(_ image: String, _ words: String...) throws -> VSMP.Result {
            try VSMP.run(["usb", "write", image] + words + ["--kit", "kit"], through: ["--chdir", scratch.url.path])
        }
        let first = try write(image.path, "0", "1")
        #expect(first.status == 0 && first.errors.contains("does not say yet which board and firmware"), "\(first.errors)")
        let manifest = try ImageReader(image).manifest
        let shown = try vsmp("kit", "show", "kit")
        #expect(shown.output.contains("sticks for \(manifest.board), firmware \(manifest.firmwareHash.short), version \(manifest.version)"), "\(shown.output)")
        #expect(try !write(image.path, "0", "--node", "0").errors.contains("firmware"), "the same firmware needs no word")

        var newer = try workshop.copy()
        newer.builder.version = manifest.version + 1
        let newerImage = try newer.build().path
        let told = try write(newerImage, "one", "--node", "1")
        #expect(told.status == 0 && told.errors.contains("update those, too (vsmp usb update)"), "\(told.errors)")
        #expect(try vsmp("kit", "show", "kit").output.contains(manifest.firmwareHash.short), "one newer stick is not what the others have")
        #expect(try write(newerImage, "0", "1").status == 0)
        #expect(try vsmp("kit", "show", "kit").output.contains("version \(manifest.version + 1)"))
        let older = try write(image.path, "old", "--node", "1")
        #expect(older.status == 65 && older.errors.contains("one machine runs one firmware") && !exists("old"), "\(older.errors)")
        let back = try write(image.path, "0", "1", "--dry-run")
        #expect(back.status == 0 && back.errors.contains("is older than what the sticks of"), "\(back.errors)")

        let file = path("kit/kit.conf")
        let text = try String(contentsOfFile: file, encoding: .utf8)
        try text.replacing("board=\(manifest.board)", with: "board=another").write(toFile: file, atomically: true, encoding: .utf8)
        for targets in [["2", "3"], ["2", "--node", "0"]] {
            let run = try VSMP.run(["usb", "write", newerImage] + targets + ["--kit", "kit"], through: ["--chdir", scratch.url.path])
            #expect(run.status == 65 && run.errors.contains("are for the board another") && !exists("2"), "\(run.errors)")
        }
        try text.replacing("board=\(manifest.board)\n", with: "").write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try write(newerImage, "0", "1").status == 0)
        #expect(try String(contentsOfFile: file, encoding: .utf8) == text)
        for damage in ["firmware=ab\n", "version=7\n", "board=b\n"] {
            try ("kit=kit\nnodes=2\n" + damage).write(toFile: file, atomically: true, encoding: .utf8)
            #expect(try vsmp("kit", "show", "kit").status == 65)
        }
    }


    @Test(arguments: [16, 600])
    func theBuilderChoosesTheConfigurationPartitionsSize(size: Int) throws {
        var other = try workshop.copy()
        other.builder.configurationSize = size << 20
        let reader = try ImageReader(try other.build())
        #expect(reader.partitionTable.partitions.last?.size == size << 20)
        try reader.verify()
        #expect(try reader.image.volume("VSMP-CONFIG")?.files() == [])
        #expect(try reader.manifest.firmwareHash == ImageReader(image).manifest.firmwareHash)
    }

    @Test func sizesThatCannotBeAreRefusedWithTheNumbers() throws {
        for size in ["0", "15", "40000", "9223372036854775807"] {
            let run = try vsmp("image", "build", "--board", "b", "--vsmpd", "v", "--output", "o", "--unsigned", "--config-size", size)
            #expect(run.status == 64 && run.errors.contains("'\(size)'") && run.errors.contains("from 16 to 32768"), "\(run.errors)")
        }
        var other = try workshop.copy()
        (other.builder.configurationSize, other.builder.sizeLimit) = (300 << 20, 200 << 20)
        let error = imageError { _ = try other.build() }
        #expect(error?.exitStatus == .tooLarge && error?.description.contains("less than 300 MiB") == true, "\(String(describing: error))")
    }

    @Test func aKitWithoutALicenceIsNoneForAReleaseImage() throws {
        try makeKit()
        var other = try workshop.copy()
        other.builder.purpose = .release
        other.builder.licensing = try Workshop.vendorRoot()
        let release = try other.build()
        let run = try vsmp("usb", "write", release.path, "a", "b", "--kit", "kit")
        #expect(run.status == 65 && run.errors.contains("has no licence") && !exists("a"), "\(run.errors)")
    }
}
