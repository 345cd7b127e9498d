import Foundation
import Glibc
import Platform
import Testing

struct HostProgramTests {
    private func shell(_ script: String, _ arguments: String..., input: [UInt8] = [], limits: HostProgram.Limits = .init()) throws -> HostProgram.Result {
        try HostProgram("sh", limits: limits).result(["-c", script, "sh"] + arguments, input: input)
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func exists(_ process: Int32) -> Bool {
        // A zombie that nobody has collected yet has an empty command line.
        (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(process)/cmdline")))?.isEmpty == false
    }

    private func number(_ file: String) -> Int32? {
        (try? String(contentsOfFile: file, encoding: .utf8)).flatMap { Int32($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    @Test func muchInputAndOutputAtOnceBlocksNobody() throws {
        let input = [UInt8](repeating: 7, count: 3 << 20)
        let result = try shell("cat; cat /dev/zero | head -c 3000000 >&2", input: input)
        #expect(result.isSuccess && result.output == input)
        #expect(result.errors.count == 256 << 10, "standard error is kept up to a bound")
    }

    @Test func endsAreTold() throws {
        #expect(try shell("exit 7").end == .exit(.status(7)))
        #expect(try shell("kill -9 $$").end == .exit(.signal(SIGKILL)))
        let error = #expect(throws: HostProgramError.self) { try HostProgram("sh").run(["-c", "echo too bad >&2; exit 3"]) }
        #expect(error?.reason == .failed && error?.description.hasSuffix("ended with status 3: too bad") == true)
    }

    @Test func aMissingProgramNamesItsPackage() throws {
        #expect(HostProgram.locate("no-such-program") == nil)
        let error = #expect(throws: HostProgramError.self) { try HostProgram("no-such-program").run([]) }
        #expect(error?.reason == .notInstalled)
        #expect(error?.description == "no-such-program is not installed: install the package no-such-program and try again")
        #expect(HostProgram("mkfs.fat").package == "dosfstools" && HostProgram("dtc").package == "device-tree-compiler")
        #expect(HostProgram.locate("/tmp") == nil, "a folder is no program")
        #expect(HostProgram.locate("mkfs.fat").map { FileManager.default.isExecutableFile(atPath: $0) } ?? true)
    }

    /// Signals that this process ignores or blocks reach the program, which sees three descriptors and no personal setting.
    @Test func aProgramStartsClean() throws {
        let open = try FileDescriptor(opening: "/dev/null", for: .read)
        _ = fcntl(open.rawValue, F_SETFD, 0)
        var (blocked, before) = (sigset_t(), sigset_t())
        _ = unsafe sigemptyset(&blocked)
        _ = unsafe sigaddset(&blocked, SIGTERM)
        _ = unsafe pthread_sigmask(SIG_BLOCK, &blocked, &before)
        let result = try shell("grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status; ls /proc/self/fd | wc -l; env")
        _ = unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        let lines = text(result.output).split(separator: "\n").map(String.init)
        for name in ["SigBlk", "SigIgn"] {
            let mask = lines.first { $0.hasPrefix(name) }?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }
            // The C library keeps 32 and 33 to itself.
            #expect(mask.map { $0 & 0x7FFF_FFFF } == 0, "\(name): \(lines)")
        }
        // ls has a fourth one for the folder it reads.
        #expect(lines.contains("4"), "\(lines)")
        for line in ["TZ=UTC", "LC_ALL=C", "SOURCE_DATE_EPOCH=1577836800", "HOME=/nonexistent", "MTOOLSRC=/dev/null"] {
            #expect(lines.contains(line), "\(line): \(lines)")
        }
        #expect(!lines.contains { $0.hasPrefix("USER=") })
        let user = try HostProgram("sh", .user).run(["-c", "echo $HOME"])
        #expect(text(user) == "\(ProcessInfo.processInfo.environment["HOME"] ?? "")\n")
    }

    @Test func nothingPersonalReachesATool() {
        let user = [
            "PATH": "/opt/bin", "TMPDIR": "/big", "https_proxy": "http://proxy", "APT_CONFIG": "/etc/apt.conf", "HOME": "/home/me", "LANG": "de_DE.UTF-8",
            "MTOOLSRC": "/home/me/rc", "MTOOLS_LOWER_CASE": "1", "ZSTD_CLEVEL": "19", "GZIP": "-1", "LD_PRELOAD": "/lib/other.so", "TZ": "Asia/Tokyo",
        ]
        let neutral = HostProgram.neutralEnvironment(of: user)
        for name in ["PATH", "TMPDIR", "https_proxy", "APT_CONFIG"] { #expect(neutral[name] == user[name]) }
        for name in ["LANG", "ZSTD_CLEVEL", "GZIP", "LD_PRELOAD"] { #expect(neutral[name] == nil) }
        #expect(neutral["HOME"] == "/nonexistent" && neutral["MTOOLSRC"] == "/dev/null" && neutral["MTOOLS_LOWER_CASE"] == "0" && neutral["TZ"] == "UTC")
    }

    @Test func limitsEndAProgramAndWhatItStarted() throws {
        try withFolder { folder in
            let begun = monotonicNow()
            let slow = try shell("sleep 1000 & echo $! >$1/sleeper; wait", folder, limits: .init(time: .milliseconds(300)))
            #expect(slow.end == .timeLimit && monotonicNow() - begun < 5_000_000_000)
            // One that was ended is there until its new parent has collected it.
            let sleeper = try #require(number("\(folder)/sleeper"))
            for _ in 0..<100 where exists(sleeper) { sleep(nanoseconds: 20_000_000) }
            #expect(!exists(sleeper))
            #expect(try shell("yes", limits: .init(output: 100_000)).end == .outputLimit)
            #expect(try shell("yes >&2", limits: .init(time: .milliseconds(300))).end == .timeLimit)
            let hungry = try shell("head -c 1000000000 /dev/zero | tail >/dev/null", limits: .init(memory: 256 << 20))
            #expect(text(hungry.errors).contains("memory exhausted") || !hungry.isSuccess)
        }
    }

    /// A program that leaves a process behind ends with it, however long that would run.
    @Test func nothingIsLeftRunning() throws {
        try withFolder { folder in
            let begun = monotonicNow()
            let result = try shell("sleep 1000 & echo $! >$1/left", folder)
            #expect(result.isSuccess)
            #expect(monotonicNow() - begun < 5_000_000_000)
            usleep(100_000)
            #expect(number("\(folder)/left").map(exists) == false)
        }
    }

    @Test func itWorksWhereItIsTold() throws {
        try withFolder { folder in
            let place = try HostProgram("pwd").run([], in: folder)
            #expect(text(place) == "\(folder)\n")
            let error = #expect(throws: HostProgramError.self) { try HostProgram("pwd").run([], in: "\(folder)/none") }
            #expect(error?.reason == .cannotStart && error?.description.contains("chdir") == true)
        }
    }

    @Test func aStartedProgramGetsItsDescriptorsAndEndsWithItsObject() throws {
        try withFolder { folder in
            let log = try FileDescriptor(opening: "\(folder)/log", for: .write, [.create])
            let third = try FileDescriptor(opening: "\(folder)/third", for: .write, [.create])
            var process: ChildProcess? = try HostProgram("sh").start(
                ["-c", "echo said; echo three >&3; sleep 1000 & echo $! >\(folder)/sleeper; wait"], descriptors: [third.rawValue], output: log.rawValue)
            var sleeper: Int32?
            for _ in 0..<100 where sleeper == nil {
                usleep(50_000)
                sleeper = number("\(folder)/sleeper")
            }
            let (identifier, child) = (try #require(process?.identifier), try #require(sleeper))
            #expect(process?.isRunning == true && exists(child))
            process = nil
            #expect(!exists(identifier) && !exists(child))
            #expect(try String(contentsOfFile: "\(folder)/log", encoding: .utf8) == "said\n")
            #expect(try String(contentsOfFile: "\(folder)/third", encoding: .utf8) == "three\n")
        }
    }
}

struct TemporaryFolderTests {
    @Test func itIsPrivateAndGoesWithAllThatIsInIt() throws {
        var path = ""
        do {
            let folder = try TemporaryFolder("test")
            path = folder.path
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o700)
            #expect(FileManager.default.createFile(atPath: path + "/file", contents: Data([1, 2, 3])))
            let closed = path + "/a/b"
            try FileManager.default.createDirectory(atPath: closed, withIntermediateDirectories: true)
            for number in 0..<2000 { _ = FileManager.default.createFile(atPath: "\(closed)/\(number)", contents: nil) }
            try FileManager.default.createSymbolicLink(atPath: path + "/link", withDestinationPath: "/etc")
            try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: closed)
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(FileManager.default.fileExists(atPath: "/etc/passwd"))
    }
}

struct NamelessFileTests {
    /// The kernel says of an open file whether a name leads to it (proc(5), "/proc/pid/fd").
    @Test(arguments: [(100, true), (1 << 50, false)]) func secretsStandInMemoryWhereThereIsRoomAndHaveNoName(size: Int, isInMemory: Bool) throws {
        let file = try NamelessFile(byteCount: size)
        #expect(file.isInMemory == isInMemory)
        try file.truncate(to: 4096)
        let place = try FileManager.default.destinationOfSymbolicLink(atPath: file.path)
        #expect(place.hasSuffix(" (deleted)") && place.hasPrefix("/memfd:") == isInMemory, "\(place)")
        let path = file.path
        #expect(try HostProgram("sh").run(["-c", "printf key >\"$0\" && stat -L -c '%a %h' \"$0\"", path]) == Array("600 0\n".utf8))
        #expect(try FileDescriptor(opening: path, for: .read).readAll() == Array("key".utf8))
    }
}
