import BoardSupport
import Foundation
import Platform
import Testing

@testable import FirmwareImage

/// The command builds the same bytes from the same lock and store, whoever runs it, where and when.
@Suite(
    .serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"),
    .enabled(if: HostProgram.locate("dtc") != nil, "dtc is not installed"))
struct ReproducibilityTests {
    private static let board = repository.appendingPathComponent("boards/qemu-q35").path

    /// The folder with firmware, brand, lock, store and vsmpd, and the image that a plain build makes of it.
    private static let shared = Result {
        let compiled = try Board.load(directory: board)
        let workshop = try Workshop(moduleNames: BoardContents(compiled).modules.map(\.name))
        let folder = workshop.scratch.url
        try workshop.builder.lock.write(to: folder.appendingPathComponent("packages.lock"))
        try write(
            Data("name=Test\ncolour=#123456\nsupport=nobody\n".utf8), to: folder.appendingPathComponent("brand/brand.conf"))
        let image = folder.appendingPathComponent("plain.img")
        let result = try build(folder, image)
        #expect(result.status == 0, "\(result.errors)")
        return (workshop, image)
    }

    let folder: URL
    let image: URL
    let scratch: Scratch

    init() throws {
        let (workshop, image) = try Self.shared.get()
        (folder, self.image) = (workshop.scratch.url, image)
        scratch = try Scratch("again")
    }

    private static func build(
        _ folder: URL, _ image: URL, through command: [String] = [], changing environment: [String: String] = [:],
        options: [String] = ["--no-cache"]
    ) throws -> VSMP.Result {
        try VSMP.run(
            words(folder, image, options: options), through: command,
            environment: ProcessInfo.processInfo.environment.merging(environment, uniquingKeysWith: { $1 }))
    }

    private static func words(_ folder: URL, _ image: URL, options: [String]) -> [String] {
        func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
        return [
            "image", "build", "--board", board, "--firmware", path("firmware"), "--brand", path("brand"), "--vsmpd",
            path("vsmpd"), "--lock", path("packages.lock"), "--store", path("store"), "--unsigned", "--output", image.path,
        ] + options
    }

    private func expectSameBytes(
        from folder: URL, through command: [String] = [], changing environment: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let again = scratch.url.appendingPathComponent("again.img")
        let result = try Self.build(folder, again, through: command, changing: environment)
        try #require(result.status == 0, "\(result.errors)", sourceLocation: sourceLocation)
        #expect(
            try ImageReader(again).differences(from: ImageReader(image)) == [], sourceLocation: sourceLocation)
        #expect(try ContentDigest(ofFile: again) == ContentDigest(ofFile: image), "other bytes", sourceLocation: sourceLocation)
    }

    @Test func cachedBuildsAreTheSame() throws {
        let (copy, again) = (try copyInOppositeOrder(), scratch.url.appendingPathComponent("again.img"))
        defer { try? FileManager.default.removeItem(at: copy) }
        let cache = copy.appendingPathComponent("store/cache").path
        for (options, isThere) in [(["--no-cache"], false), ([], true), ([], true)] {
            #expect(try Self.build(copy, again, options: options).status == 0)
            #expect(FileManager.default.fileExists(atPath: cache) == isThere)
            #expect(try ContentDigest(ofFile: again) == ContentDigest(ofFile: image))
        }
    }

    /// The same files made in the opposite order, with other dates and permissions, on another file system if there is one.
    private func copyInOppositeOrder() throws -> URL {
        let memory = URL(fileURLWithPath: "/dev/shm")
        let isThere = FileManager.default.isWritableFile(atPath: memory.path)
        let copy = (isThere ? memory : scratch.url).appendingPathComponent("vsmp-again-\(UUID().uuidString)")
        for top in ["vsmpd", "store", "packages.lock", "firmware", "brand"] {
            let place = folder.appendingPathComponent(top)
            let below = try FileManager.default.subpathsOfDirectory(atPath: place.path).sorted().reversed()
            for name in below.isEmpty ? [""] : Array(below) {
                let source = name.isEmpty ? place : place.appendingPathComponent(name)
                guard (try source.resourceValues(forKeys: [.isRegularFileKey])).isRegularFile == true else { continue }
                let target = copy.appendingPathComponent(name.isEmpty ? top : "\(top)/\(name)")
                try write(try Data(contentsOf: source), to: target)
                try FileManager.default.setAttributes(
                    [.modificationDate: Date(timeIntervalSince1970: 1e9), .posixPermissions: 0o700], ofItemAtPath: target.path)
            }
        }
        return copy
    }

    /// Written by a process of its own: what this one has open for writing, a child of another test may hold open a moment longer,
    /// and then it cannot be executed.
    private func writeScript(_ text: String, to file: URL) throws {
        let command = "mkdir -p \"${1%/*}\" && cat >\"$1\" && chmod 755 \"$1\""
        try HostProgram("sh").data(["-c", command, "sh", file.path], input: Data("#!/bin/sh\n\(text)\n".utf8))
    }

    @Test func placeAndEnvironmentDoNotMatter() throws {
        let copy = try copyInOppositeOrder()
        defer { try? FileManager.default.removeItem(at: copy) }
        let temporary = copy.appendingPathComponent("temporary files")
        try FileManager.default.createDirectory(at: temporary, withIntermediateDirectories: true)
        try expectSameBytes(
            from: copy, through: ["sh", "-c", "umask 077; exec \"$@\"", "sh"],
            changing: [
                "HOME": "/nonexistent", "USER": "somebody", "TMPDIR": temporary.path, "TZ": "Pacific/Kiritimati",
                "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "SOURCE_DATE_EPOCH": "1", "MTOOLSRC": "/dev/zero",
                "ZSTD_CLEVEL": "1", "ZSTD_NBTHREADS": "2",
            ])
    }

    /// Settings of the user's own for the tools that make the image.
    @Test func personalSettingsDoNotMatter() throws {
        let home = scratch.url.appendingPathComponent("home")
        let settings = "mtools_lower_case=1\nmtools_no_vfat=1\nmtools_name_numeric_tail=0\ndefault_codepage=437\n"
        try write(Data(settings.utf8), to: home.appendingPathComponent(".mtoolsrc"))
        try expectSameBytes(from: folder, changing: ["HOME": home.path, "MTOOLSRC": home.appendingPathComponent(".mtoolsrc").path, "MTOOLS_NO_VFAT": "1"])
    }

    /// At whatever moment: the command ends as by the signal, no helper runs on, and there is no file that was not there before.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func aSignalLeavesNothing(signal: Int32) throws {
        let place = scratch.url.appendingPathComponent("signal-\(signal)")
        let (temporary, output) = (place.appendingPathComponent("temporary"), place.appendingPathComponent("output"))
        for folder in [temporary, output] { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
        let log = try FileDescriptor(opening: place.appendingPathComponent("log").path, for: .write, [.create])
        let words = Self.words(folder, output.appendingPathComponent("image"), options: ["--no-cache"])
        let vsmp = try #require(VSMP.executable, "vsmp is not beside the test bundle").path
        for delay in [10, 50, 100, 200, 300, 400, 500, 600, 800, 1000, 1300, 1700] {
            let process = try HostProgram("env").start(["TMPDIR=\(temporary.path)", vsmp] + words, output: log.rawValue)
            usleep(UInt32(delay) * 1000)
            kill(process.identifier, signal)
            while process.isRunning { usleep(1000) }
            let isDone = process.exit == .status(0)
            #expect(isDone || process.exit == .signal(signal), "after \(delay) ms: \(process.exit.debugDescription)")
            let kept = try FileManager.default.subpathsOfDirectory(atPath: temporary.path)
            #expect(kept == [], "after \(delay) ms")
            for name in try FileManager.default.contentsOfDirectory(atPath: temporary.path) { try FileManager.default.removeItem(at: temporary.appendingPathComponent(name)) }
            let left = try FileManager.default.contentsOfDirectory(atPath: output.path)
            // The image takes its place in one step; after that a signal finds the work done.
            #expect(left.allSatisfy { ["image", "image.bmap", "image.spdx.json"].contains($0) } && (!isDone || left.contains("image")), "after \(delay) ms: \(left)")
            if left.contains("image") { try ImageReader(output.appendingPathComponent("image")).verify() }
            // One that was ended is there until its parent has collected it.
            var running = Self.processes(with: "TMPDIR=\(temporary.path)")
            for _ in 0..<20 where !running.isEmpty {
                usleep(50_000)
                running = Self.processes(with: "TMPDIR=\(temporary.path)")
            }
            #expect(running == [], "after \(delay) ms")
            for name in left { try FileManager.default.removeItem(at: output.appendingPathComponent(name)) }
        }
    }

    /// Those that run with such a variable in their environment.
    private static func processes(with variable: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).filter { name in
            guard name.first?.isNumber == true, let environment = FileManager.default.contents(atPath: "/proc/\(name)/environ") else { return false }
            return environment.range(of: Data(variable.utf8)) != nil
        }
    }

    /// A temporary folder that is not there, and one that is full: neither is the board's, the SDK's or a tool's fault.
    @Test func anUnusableTemporaryFolderIsNamed() throws {
        let output = scratch.url.appendingPathComponent("other.img")
        let missing = try Self.build(folder, output, changing: ["TMPDIR": "/nonexistent/tmp"])
        #expect(missing.status == 73 && missing.errors.contains("temporary files /nonexistent/tmp: ") && missing.errors.contains("set TMPDIR"), "\(missing.errors)")
        let small = scratch.url.appendingPathComponent("small")
        try FileManager.default.createDirectory(at: small, withIntermediateDirectories: true)
        let mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs \"$TMPDIR\" && exec \"$@\"", "sh"]
        guard (try? HostProgram(mount[0]).data(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", small.path])) != nil else { return }
        let full = try Self.build(folder, output, through: mount, changing: ["TMPDIR": small.path])
        #expect(full.status == 73 && full.errors.contains("temporary files \(small.path): No space left on device"), "\(full.errors)")
        #expect(!FileManager.default.fileExists(atPath: output.path))
    }

    /// Inside the namespace the user is nobody, and there is not even a loopback interface.
    @Test(
        .enabled(
            if: (try? HostProgram("unshare").data(["--user", "--net", "true"])) != nil,
            "this kernel gives no user and network namespace"))
    func anotherUserWithoutNetworkBuildsTheSame() throws {
        let identity = try HostProgram("unshare").data(["--user", "--net", "id", "-u"])
        #expect(String(decoding: identity, as: UTF8.self) == "65534\n")
        try expectSameBytes(
            from: folder, through: ["unshare", "--user", "--net"],
            changing: ["http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "HOME": "/"])
    }

    /// Every tool that the command runs believes that it is 400 days later. The command itself waits by the same clock, so
    /// it is not deceived.
    @Test(.enabled(if: HostProgram.locate("faketime") != nil, "faketime is not installed"))
    func anotherTimeBuildsTheSame() throws {
        let tools = scratch.url.appendingPathComponent("tools")
        for name in ["dpkg-deb", "objcopy", "grub-mkimage", "mkfs.fat", "mcopy", "mmd", "sfdisk", "strip", "zstd", "cp", "gzip"] {
            guard let tool = HostProgram.locate(name) else { continue }
            let file = tools.appendingPathComponent(name)
            // The dates of files stay what they are.
            try writeScript("NO_FAKE_STAT=1 exec faketime -f +400d \(tool) \"$@\"", to: file)
        }
        let path = tools.path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin")
        try expectSameBytes(from: folder, changing: ["PATH": path])
    }

    /// The manifest says which tools packed the image; nodes do not compare that.
    @Test func versionsOfToolsAreOutsideTheFirmwareHash() throws {
        let zstd = try #require(HostProgram.locate("zstd"))
        let file = scratch.url.appendingPathComponent("tools/zstd")
        try writeScript("[ \"$1\" = --version ] && exec echo zstd v9.9.9\nexec \(zstd) \"$@\"", to: file)
        let path = file.deletingLastPathComponent().path + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin")
        let again = scratch.url.appendingPathComponent("again.img")
        let result = try Self.build(folder, again, changing: ["PATH": path])
        try #require(result.status == 0, "\(result.errors)")
        let differences = try ImageReader(image).differences(from: ImageReader(again))
        #expect(differences.map(\.kind) == [.tool] && differences.first?.name == "zstd" && differences.first?.second?.value == "9.9.9")
    }

    @Test func theSizeLimitIsAnOptionWithAStatusOfItsOwn() throws {
        let large = scratch.url.appendingPathComponent("large.img")
        let refused = try Self.build(folder, large, options: ["--size-limit", "100"])
        #expect(refused.status == 86 && refused.errors.contains("bytes  INITRD"), "\(refused.errors)")
        #expect(!FileManager.default.fileExists(atPath: large.path))
        #expect(try Self.build(folder, large, options: ["--size-limit", "200"]).status == 0)
        #expect(try Self.build(folder, large, options: ["--size-limit", "0"]).status == 64)
    }

    @Test func theOfferOfTheBrandsFolderIsInTheImage() throws {
        let brand = scratch.url.appendingPathComponent("brand")
        try FileManager.default.copyItem(at: folder.appendingPathComponent("brand"), to: brand)
        try write(Data("We give the source.\n".utf8), to: brand.appendingPathComponent("offer.txt"))
        let offered = scratch.url.appendingPathComponent("offered.img")
        #expect(try Self.build(folder, offered, options: ["--brand", brand.path]).status == 0)
        #expect(try ImageReader(offered).contents(of: ImageBuilder.offerPath) == Data("We give the source.\n".utf8))
    }

    @Test func aMissingBlobHasAStatusOfItsOwn() throws {
        let (blob, lock) = (scratch.url.appendingPathComponent("nic.bin"), scratch.url.appendingPathComponent("packages.lock"))
        try write(Data("a vendor's".utf8), to: blob)
        try FileManager.default.copyItem(at: folder.appendingPathComponent("packages.lock"), to: lock)
        let store = scratch.url.appendingPathComponent("store")
        try FileManager.default.copyItem(at: folder.appendingPathComponent("store"), to: store)
        let options = ["--lock", lock.path, "--store", store.path]
        let locked = try VSMP.run(["image", "lock", "--blob", "lib/firmware/acme/nic.bin=\(blob.path)"] + options)
        #expect(locked.status == 0, "\(locked.errors)")
        let output = scratch.url.appendingPathComponent("out.img")
        #expect(try Self.build(folder, output, options: options).status == 0)
        #expect(try ImageReader(output).rootFiles()["lib/firmware/acme/nic.bin"] == 10)
        try FileManager.default.removeItem(at: PackageStore(root: store).location(of: ContentDigest(ofFile: blob)))
        let lacking = try Self.build(folder, output, options: options)
        #expect(lacking.status == 88 && lacking.errors.contains("lib/firmware/acme/nic.bin"), "\(lacking.errors)")
        #expect(try VSMP.run(["image", "ls", output.path]).output.contains("missing blob   /lib/firmware/acme/nic.bin"))
        let before = try ContentDigest(ofFile: output)
        #expect(try Self.build(folder, output, options: options + ["--release"]).status == 88)
        #expect(try ContentDigest(ofFile: output) == before)
        #expect(try VSMP.run(["image", "lock", "--blob", "nonsense"] + options).status == 64)
    }
}
