import Foundation
import Glibc
import Platform
import TestSupport
import Testing

/// What `vsmp` writes and prints, where that is not simply a file: the executable itself, as a user runs it.
struct OutputTests {
    private let scratch = ScratchFolder()
    private var folder: String { scratch.path }

    /// A shell command in which `vsmp` is the executable, run in the folder.
    private func shell(_ script: String) throws -> (status: Int32, output: String, errors: String) {
        let vsmp = try #require(Executable.path("vsmp"), "vsmp is not beside the test bundle")
        let result = try HostProgram("sh", .user).result(["-c", "vsmp() { \"\(vsmp)\" \"$@\"; }\n" + script], in: folder)
        guard case .exit(let exit) = result.end else { throw CancellationError() }
        let status =
            switch exit {
            case .status(let number): number
            case .signal(let number): 128 + number
            }
        return (status, String(decoding: result.output, as: UTF8.self), String(decoding: result.errors, as: UTF8.self))
    }

    private func kind(_ name: String) -> mode_t {
        var status = stat()
        return unsafe lstat("\(folder)/\(name)", &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    private func text(_ name: String) throws -> String { try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8) }

    private func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }

    private let root = "vsmp license issue root --key k --vendor V --issued 2026-01-01 --output"

    @Test func whatIsNoPlainFileIsWrittenThrough() throws {
        try #require(try shell("vsmp license keygen k").status == 0)
        let made = try shell("mkfifo pipe; ln -s target link; ln -s /dev/null nowhere; echo old >target; chmod 640 target")
        #expect(made.status == 0)
        let piped = try shell("cat pipe >read & \(root) pipe; wait")
        #expect(piped.status == 0 && kind("pipe") == S_IFIFO)
        #expect(try text("read").hasPrefix("-----BEGIN"))
        let linked = try shell("\(root) link && \(root) nowhere")
        #expect(linked.status == 0 && kind("link") == S_IFLNK && kind("nowhere") == S_IFLNK, "\(linked.errors)")
        #expect(try text("target").hasPrefix("-----BEGIN"))
        #expect(try FileManager.default.attributesOfItem(atPath: "\(folder)/target")[.posixPermissions] as? Int == 0o640)
        for name in ["-", "/dev/stdout", "/dev/fd/1"] {
            let printed = try shell("\(root) \(name)")
            #expect(printed.status == 0 && printed.output.hasPrefix("-----BEGIN"), "\(name): \(printed.output)")
        }
        // What a shell has opened is written where it stands.
        #expect(try shell("{ echo before; \(root) /dev/stdout; } >both").status == 0)
        #expect(try text("both").hasPrefix("before\n-----BEGIN"))
    }

    @Test(.enabled(if: geteuid() == 0, "making devices needs root"))
    func aDeviceStaysADevice() throws {
        try #require(try shell("vsmp license keygen k && mknod null c 1 3 && mknod disk b 7 250").status == 0)
        let written = try shell("\(root) null")
        #expect(written.status == 0 && kind("null") == S_IFCHR, "\(written.errors)")
        let refused = try shell("\(root) disk")
        #expect(refused.status == 73 && refused.errors.contains("block device") && kind("disk") == S_IFBLK)
    }

    @Test func aSlashAtTheEndNamesAFolder() throws {
        try #require(try shell("vsmp license keygen k && mkdir d").status == 0)
        let before = try names()
        for command in ["vsmp license keygen d/", "vsmp license keygen none/", "\(root) d/", "\(root) file/"] {
            let refused = try shell(command)
            #expect(refused.status == 73 && refused.errors.contains("/: it is a folder; name a file in it"), "\(command): \(refused.errors)")
        }
        #expect(try names() == before && FileManager.default.contentsOfDirectory(atPath: "\(folder)/d") == [])
        let kit = try shell("vsmp kit create --edition development --nodes 2 --out kit// && vsmp kit show kit/")
        #expect(kit.status == 0 && kind("kit") == S_IFDIR, "\(kit.errors)")
    }

    @Test func aDashIsStandardInput() throws {
        let shown = try shell("vsmp license keygen k && \(root) root && vsmp license inspect - <root && cat root | vsmp license inspect /dev/stdin")
        #expect(shown.status == 0 && shown.output.components(separatedBy: "vendor=V").count + shown.output.components(separatedBy: "of V").count > 3, "\(shown)")
    }

    @Test func whatCannotBeWrittenIsNamedAndLeavesNothing() throws {
        try #require(try shell("vsmp license keygen k").status == 0)
        let before = try names()
        let missing = try shell("\(root) none/file")
        #expect(missing.status == 73 && missing.errors.contains("there is no folder none"), "\(missing.errors)")
        let full = try shell("\(root) /dev/full")
        #expect(full.status == 73 && full.errors.contains("/dev/full: No space left on device"), "\(full.errors)")
        // A limit on files stands for a full disk: the write begins and fails.
        let limited = try shell("ulimit -f 0; \(root) file")
        #expect(limited.status == 73 && limited.errors.contains("file: File too large"), "\(limited.errors)")
        let key = try shell("ulimit -f 0; vsmp license keygen other")
        #expect(key.status == 73, "\(key.errors)")
        let folder = try shell("\(root) .")
        #expect(folder.status == 73 && folder.errors.contains("it is a folder"))
        #expect(try names() == before)
    }

    @Test func aKeyIsItsOwnersFromTheFirstMomentAndNeverOverwritten() throws {
        #expect(try shell("umask 0; vsmp license keygen k").status == 0)
        #expect(try FileManager.default.attributesOfItem(atPath: "\(folder)/k")[.posixPermissions] as? Int == 0o600)
        let key = try text("k")
        let again = try shell("vsmp license keygen k")
        #expect(again.status == 73 && again.errors.contains("never overwritten"))
        #expect(try text("k") == key)
    }

    @Test func errorsOfStandardOutputAreReported() throws {
        for words in ["board schema", "--help", "board --help"] {
            let full = try shell("vsmp \(words) >/dev/full")
            #expect(full.status == 74 && full.errors.contains("cannot write standard output: No space left on device"), "\(words): \(full)")
            let closed = try shell("vsmp \(words) >&-")
            #expect(closed.status == 74 && closed.errors.contains("Bad file descriptor"), "\(words): \(closed)")
        }
        // Nobody reads any more: it ends quietly, as every program does.
        let piped = try shell("{ sleep 0.3; vsmp board schema; echo $? >status; } | true; sleep 1")
        #expect(piped.errors.isEmpty, "\(piped.errors)")
        #expect(try text("status") == "141\n")
    }

    /// A file that is opened first would get the number of a closed standard stream, and all that is printed.
    @Test func closedStandardStreamsEndUpInNoFile() throws {
        _ = try shell("vsmp license keygen k <&- >&- 2>&-")
        let key = try text("k")
        #expect(key.hasPrefix("-----BEGIN") && !key.contains("keep it"))
        _ = try shell("vsmp kit create --edition development --nodes 2 --out kit <&- >&- 2>&-")
        #expect(try text("kit/cluster.key").utf8.count == 65)
    }

    /// A key pair is two files: both or none, or the secret one, from which the other is made again; nothing with another name.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func aSignalLeavesNoHalfOfAKey(signal: Int32) throws {
        let vsmp = try #require(Executable.path("vsmp"), "vsmp is not beside the test bundle")
        let log = try FileDescriptor(opening: "\(folder)/log", for: .write, [.create])
        for delay in [0, 1, 2, 4, 8, 12, 16, 24, 32, 64] {
            let process = try HostProgram("env").start(["--chdir=\(folder)", vsmp, "license", "keygen", "key\(delay)"], output: log.rawValue)
            usleep(UInt32(delay) * 1000)
            kill(process.identifier, signal)
            while process.isRunning { usleep(1000) }
            #expect(process.exit == .signal(signal) || process.exit == .status(0))
            let made = Set(try names()).subtracting(["log"])
            #expect(made.isSubset(of: ["key\(delay)", "key\(delay).pub"]) && made != ["key\(delay).pub"], "after \(delay) ms: \(made)")
            for name in made {
                let lines = try text(name).split(separator: "\n")
                let isWhole = lines.first?.hasPrefix("-----BEGIN") == true && lines.last?.hasPrefix("-----END") == true
                #expect(name.hasSuffix(".pub") ? lines.map(\.utf8.count) == [64] : isWhole, "after \(delay) ms: \(name)")
                try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
            }
        }
    }

    /// Signals at many moments: the command ends as by the signal, and the kit is whole or not there.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func aSignalLeavesNoHalfOfAKit(signal: Int32) throws {
        let vsmp = try #require(Executable.path("vsmp"), "vsmp is not beside the test bundle")
        let log = try FileDescriptor(opening: "\(folder)/log", for: .write, [.create])
        for delay in [0, 1, 2, 4, 8, 12, 16, 24, 32, 64] {
            let process = try HostProgram("env").start(
                ["--chdir=\(folder)", vsmp, "kit", "create", "--edition", "development", "--nodes", "2", "--out", "kit\(delay)"], output: log.rawValue)
            usleep(UInt32(delay) * 1000)
            kill(process.identifier, signal)
            while process.isRunning { usleep(1000) }
            #expect(process.exit == .signal(signal) || process.exit == .status(0))
            let names = try names().filter { $0 != "log" && !$0.hasPrefix("kit") }
            #expect(names.isEmpty, "after \(delay) ms: \(names)")
            if FileManager.default.fileExists(atPath: "\(folder)/kit\(delay)") {
                #expect(try text("kit\(delay)/cluster.key").utf8.count == 65)
            }
        }
    }
}
