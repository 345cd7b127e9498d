import ArgumentParser
import Foundation
import OEMCommands
import Testing

@Suite struct BoardAndStickCommandTests {
    private func status(_ arguments: [String]) -> Int32 {
        do {
            var command = try RootCommand.parseAsRoot(arguments)
            try command.run()
            return 0
        } catch {
            return RootCommand.exitCode(for: error).rawValue
        }
    }

    private var boards: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("boards").path
    }

    @Test func boardCommandsEndWithTheDocumentedStatus() throws {
        #expect(status(["board", "lint", "--boards-path", boards]) == 0)
        #expect(status(["board", "show", "qemu-q35", "--boards-path", boards, "--json"]) == 0)
        #expect(status(["board", "show", "absent", "--boards-path", boards]) == 66)
        #expect(status(["board", "list", "--boards-path", "/nonexistent"]) == 66)
        let folder = NSTemporaryDirectory() + "/vsmp-boards-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder + "/bad", withIntermediateDirectories: true)
        try "/dts-v1/;\n/ { };\n".write(toFile: folder + "/bad/bad.dts", atomically: false, encoding: .utf8)
        #expect(status(["board", "lint", "--boards-path", folder]) == 65)
    }

    /// What no run could keep is refused before anything starts; an unknown board is a missing input everywhere.
    @Test func labOptionsOutOfRangeAreRefusedBeforeTheStart() {
        for timeout in ["0", "-1", "inf", "nan"] { #expect(status(["lab", "boot", "--image", "i", "--timeout=\(timeout)"]) == 64) }
        #expect(status(["lab", "boot", "--image", "/nonexistent", "--board", "absent", "--boards-path", boards]) == 66)
        #expect(status(["lab", "boot", "--image", "i", "--stranger", "16"]) == 64)
    }

    @Test func stickOptionsThatContradictAreUsageErrors() {
        #expect(status(["usb", "write", "image", "stick", "--node", "1"]) == 64)
        #expect(status(["usb", "write", "image", "stick", "--kernel", "vmlinuz"]) == 64)
        #expect(status(["usb", "write", "image", "stick", "--identity", "nonsense"]) == 64)
        #expect(status(["usb", "write", "image", "one", "two"]) == 64)
        #expect(status(["usb", "write", "image", "one", "two", "--kit", "k", "--node", "0"]) == 64)
        #expect(status(["usb", "write", "image", "one", "one", "--kit", "k"]) == 64)
        #expect(status(["usb", "write", "image", "one", "--kit", "k", "--node", "1", "--kernel", "v"]) == 64)
        #expect(
            status(["usb", "write", "image", "stick", "--kit", "k", "--node", "0", "--append", "x"]) == 64)
    }

    @Test(arguments: [
        ["--release"], ["--signing-key", "k"], ["--certificate", "c"], ["--certificate", "c", "--signing-key", "k", "--sign-command", "s"],
        ["--unsigned", "--certificate", "c", "--signing-key", "k"],
    ])
    func signingOptionsThatContradictAreUsageErrors(options: [String]) {
        #expect(status(["image", "build", "--board", "b", "--vsmpd", "v", "--output", "o"] + options) == 64)
    }

    @Test func stickCommandsEndWithTheDocumentedStatus() {
        #expect(status(["usb", "write", "/nonexistent/image", "/tmp/stick"]) == 66)
        #expect(status(["usb", "write", "/nonexistent/image", "s", "--kit", "/nonexistent/kit", "--node", "0"]) == 66)
        #expect(status(["usb", "list", "--all", "--json"]) == 0)
        #expect(status(["kit", "create", "--edition", "development", "--nodes", "0", "--out", "/tmp/never-made"]) == 64)
        for words in [["development"], ["development", "--nodes", "2", "--license", "l"], ["standalone"], ["standalone", "--nodes", "2"]] {
            #expect(status(["kit", "create", "--out", "/tmp/never-made", "--edition"] + words) == 64)
        }
        #expect(status(["kit", "create", "--out", "/tmp/never-made", "--edition", "standalone", "--license", "/nonexistent/l"]) == 66)
    }
}
