import Platform
import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

/// The board's description says which serial port carries the firmware's messages, and how fast.
@Suite struct FirmwareConsoleTests {
    private func contents(_ port: String, _ rate: Int) -> BoardContents {
        var board = BoardContents(name: "tiny", deviceTree: Data(), modules: [])
        board.consoles = Board.Consoles(firmware: port, guest: nil, baudRate: rate)
        return board
    }

    @Test(arguments: [
        ("console=tty0 console=ttyS0,115200 quiet\n", "console=tty0 console=ttyS1,57600 quiet"),
        ("console=ttyS0 console=ttyS1,9600n8 a", "console=ttyS1,57600 a"), ("a  console=ttyUSB0", "a console=ttyS1,57600"),
        ("console=tty0 quiet", "console=tty0 quiet"), ("netconsole=ttyS0 console=hvc0", "netconsole=ttyS0 console=hvc0"), ("", ""),
    ])
    func theKernelsSerialConsoleIsTheBoards(text: String, expected: String) {
        #expect(contents("ttyS1", 57_600).commandLine(text) == expected)
    }

    @Test func withoutADescriptionTheCommandLineStays() {
        let board = BoardContents(name: "tiny", deviceTree: Data(), modules: [])
        #expect(board.commandLine("console=tty0 console=ttyS0,115200\n") == "console=tty0 console=ttyS0,115200")
    }

    /// Firmware hashes of the repository's own boards depend on it.
    @Test func theRepositorysBoardsKeepTheirCommandLine() throws {
        let text = String(decoding: try read(repository.appendingPathComponent("firmware/cmdline")), as: UTF8.self)
        let catalogue = BoardCatalogue(path: repository.appendingPathComponent("boards").path)
        for name in try catalogue.names() {
            #expect(BoardContents(try catalogue.load(name)).commandLine(text) + "\n" == text, "\(name)")
        }
    }

    /// The lines of /init that choose the port, with folders of the test's own in place of /etc/vsmp and /dev.
    @Test(arguments: [("ttyS1\n", "ttyS1"), (nil, "ttyS0"), ("ttyS7\n", "console")])
    func initTakesThePortThatTheImageNames(named: String?, expected: String) throws {
        let script = String(decoding: try read(repository.appendingPathComponent("firmware/init")), as: UTF8.self)
        let start = try #require(script.range(of: "port=/dev/")?.lowerBound)
        let end = try #require(script.range(of: "\nmkfifo", range: start..<script.endIndex)?.lowerBound)
        let scratch = try folder(named.map { ["console": Data($0.utf8)] } ?? ["other": Data()])
        // A link to a character device is one.
        for port in ["ttyS0", "ttyS1"] {
            try FileManager.default.createSymbolicLink(atPath: "\(scratch.url.path)/\(port)", withDestinationPath: "/dev/null")
        }
        let lines = script[start..<end].replacingOccurrences(of: "/etc/vsmp/", with: scratch.url.path + "/")
            .replacingOccurrences(of: "/dev/", with: scratch.url.path + "/")
        let said = try HostProgram("sh").data(["-c", lines + "\necho \"$firmware_console\""])
        #expect(String(decoding: said, as: UTF8.self) == "\(scratch.url.path)/\(expected)\n")
    }

    /// The lines of /init that end the board, with folders of the test's own and a serial port that takes nothing any more: they say, end, and are done.
    @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func aConsoleThatStandsStillDoesNotKeepTheBoardOn(standsStill: Bool) throws {
        let script = String(decoding: try read(repository.appendingPathComponent("firmware/init")), as: UTF8.self)
        let start = try #require(script.range(of: "\nmkfifo -m 600 /run/console")?.lowerBound)
        let end = try #require(script.range(of: "\n# What a person must put right", range: start..<script.endIndex)?.lowerBound)
        let root = try folder(["other": Data()])
        defer { withExtendedLifetime(root) {} }
        let scratch = root.url.path
        let lines = script[start..<end].replacingOccurrences(of: "/run/console", with: scratch + "/console")
            .replacingOccurrences(of: "/dev/tty0", with: "/dev/null")
        // The port is a pipe. Its reader reads nothing, or all that there is.
        let before = """
            mkfifo '\(scratch)/port'
            exec 3>&1 4<>'\(scratch)/port'
            \(standsStill ? "" : "timeout 30 cat <'\(scratch)/port' 4>&- >'\(scratch)/said' &")
            firmware_console='\(scratch)/port'
            umount() { :; }
            poweroff() {
                echo "$*" >&3
                exit 0
            }
            """
        let fill = standsStill ? "{ timeout 1 yes 'the console stands still'; } 2>/dev/null" : ":"
        let after = "\n\(fill)\nsay 'the last line'\nend poweroff\n"
        let begin = ContinuousClock.now
        let said = try HostProgram("sh").data(["-c", before + lines + after])
        #expect(String(decoding: said, as: UTF8.self) == "-f\n")
        #expect(ContinuousClock.now - begin < .seconds(20))
        if !standsStill { #expect(try String(contentsOfFile: scratch + "/said", encoding: .utf8) == "vsmp: the last line\n") }
    }
}

@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct FirmwareConsoleImageTests {
    @Test func theImageStatesTheBoardsPort() throws {
        let (workshop, image) = try ImageBuildTests.shared.get()
        #expect(try ImageReader(image).rootArchive().entries[ImageFact.console.path] == nil)
        var other = try workshop.copy()
        try other.change("cmdline", "console=tty0 console=ttyS0,115200 quiet\n")
        other.builder.board.consoles = Board.Consoles(firmware: "ttyS1", guest: "ttyS0", baudRate: 57_600)
        let reader = try ImageReader(try other.build())
        try reader.verify()
        #expect(reader.manifest.commandLine == "console=tty0 console=ttyS1,57600 quiet")
        #expect(try reader.rootArchive().entries["etc/vsmp/console"] == .file(Data("ttyS1\n".utf8), permissions: 0o644))
        #expect(try reader.verifyRelease().findings.allSatisfy { $0.rule != .shell })
    }
}
