import BoardSupport
import Foundation
import TestSupport
import Testing

/// What `vsmp board` prints and writes, by the executable itself.
@Suite struct BoardCommandTests {
    private let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    private final class Folder {
        let path = NSTemporaryDirectory() + "/vsmp-board-command-" + UUID().uuidString
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ name: String, _ text: String) throws {
            let url = URL(fileURLWithPath: path + "/" + name)
            try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: url, atomically: false, encoding: .utf8)
        }

        func read(_ name: String) -> String { (try? String(contentsOfFile: path + "/" + name, encoding: .utf8)) ?? "" }
    }

    private func run(
        _ program: String, _ arguments: [String], in folder: String? = nil
    ) throws -> (status: Int32, output: String, errors: String) {
        let process = Process()
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        process.executableURL = URL(fileURLWithPath: try #require(Executable.path(program), "\(program) is not beside the test bundle"))
        process.arguments = arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text, said)
    }

    private func board(_ arguments: [String], in folder: String? = nil) throws -> (status: Int32, output: String, errors: String) {
        try run("vsmp", ["board"] + arguments + ["--boards-path", folder ?? repository + "/boards"])
    }

    @Test func lintPrintsPlacesAndJSON() throws {
        let folder = try Folder()
        let source = try String(contentsOfFile: repository + "/boards/qemu-q35/qemu-q35.dts", encoding: .utf8)
        try folder.write("qemu-q35/qemu-q35.dts", source.replacingOccurrences(of: "sockets = <1>", with: "sockets = <0>"))
        let text = try board(["lint"], in: folder.path)
        let line = (source.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains("sockets = <1>") } ?? 0) + 1
        #expect(text.status == 65)
        #expect(
            text.output == "\(folder.path)/qemu-q35/qemu-q35.dts:\(line):3: error: /processors: sockets: found <0>, "
                + "expected one number from 1 to 64, as <N> [value]\n")
        let json = try board(["lint", "--json"], in: folder.path)
        let findings = try JSONDecoder().decode([BoardFinding].self, from: Data(json.output.utf8))
        #expect(json.status == 65 && findings.map(\.line) == [line] && findings.map(\.rule) == ["value"])
    }

    /// Nothing to check is no success: every command says what it looked for, and where.
    @Test func foldersWithoutBoardsAreErrors() throws {
        let folder = try Folder()
        try folder.write("file", "")
        try folder.write("misnamed/b1/b2.dts", "/dts-v1/;\n")
        try FileManager.default.createDirectory(atPath: folder.path + "/empty", withIntermediateDirectories: true)
        for command in ["lint", "list", "table"] {
            for (name, words) in [
                ("empty", "no board there: looked for \(folder.path)/empty/NAME/NAME.dts"), ("file", "no folder; name the folder"), ("absent", "no such folder"),
            ] {
                let said = try board([command], in: folder.path + "/" + name)
                #expect(said.status == 66 && said.output.isEmpty && said.errors.contains(words), "\(command) \(name): \(said)")
            }
            let misnamed = try board([command], in: folder.path + "/misnamed")
            let text = "\(folder.path)/misnamed/b1/b2.dts: error: found no source b1.dts in the folder, expected \(folder.path)/misnamed/b1/b1.dts [source]"
            #expect(misnamed.status == 65 && (misnamed.output + misnamed.errors).contains(text), "\(command): \(misnamed)")
        }
        let json = try board(["lint", "--json"], in: folder.path + "/misnamed")
        #expect(try JSONDecoder().decode([BoardFinding].self, from: Data(json.output.utf8)).map(\.rule) == ["source"] && json.status == 65)
    }

    /// A folder whose name begins as an option does, from the folder above it.
    @Test func aFolderThatLooksLikeAnOptionIsNone() throws {
        let folder = try Folder()
        let source = try String(contentsOfFile: repository + "/boards/qemu-q35/qemu-q35.dts", encoding: .utf8)
        try folder.write("-q/qemu-q35/qemu-q35.dts", source)
        try folder.write("-q/two/two.dts", "/dts-v1/;\n#include \"qemu-q35/qemu-q35.dts\"\n/ { compatible = \"acme,two\"; extends = \"qemu-q35\"; };\n")
        let said = try run("vsmp", ["board", "lint", "--boards-path=-q"], in: folder.path)
        #expect(said.status == 0 && said.output.isEmpty, "\(said)")
    }

    /// A capture is whole or an error, also when what it is written to is full.
    @Test(arguments: ["vsmp board capture", "vsmpd capture"])
    func aCaptureThatCannotBeWrittenIsAnError(command: String) throws {
        let folder = try Folder()
        try writeComputer(in: folder)
        let words = command.split(separator: " ").map(String.init)
        let program = try #require(Executable.path(words[0]))
        let line = ([program] + words.dropFirst() + ["acme,b1", "--evidence", "x", "--root", folder.path + "/root"]).map { "'\($0)'" }.joined(separator: " ")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", line + " > /dev/full"]
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 74 && said.contains("No space left on device"), "\(process.terminationStatus): \(said)")
    }

    @Test func warningsDoNotChangeTheStatus() throws {
        let text = try board(["lint", "opteron-2008-infiniband"])
        #expect(text.status == 0 && text.output.contains(": warning: /interconnect/infiniband0: technology: ") && text.output.hasSuffix("[not-driven]\n"))
        #expect(try board(["lint", "qemu-q35"]).output.isEmpty)
    }

    @Test func showAndLintSayHowMemoryDivides() throws {
        for command in [["show", "qemu-q35"], ["lint", "--memory", "qemu-q35"]] {
            let said = try board(command)
            #expect(said.status == 0 && said.output.contains("memory: minimum-mib <448> = firmware + slice + cache"), "\(said)")
            #expect(said.output.contains("  2 board(s), AMD: ") && said.output.contains("  16 board(s), Intel: ") && said.output.contains("does not hold: 448 MiB"), "\(said)")
        }
        let json = try #require(try JSONSerialization.jsonObject(with: Data(board(["show", "qemu-q35", "--json"]).output.utf8)) as? [String: Any])
        let rows = try #require((json["memory"] as? [String: Any])?["rows"] as? [[String: Any]])
        #expect(rows.count == 10 && rows.contains { $0["shortage"] != nil } && rows.contains { $0["division"] != nil })
    }

    @Test func showSaysEveryValuesOriginAndWhatIsUnproven() throws {
        let folder = try Folder()
        let parent = try String(contentsOfFile: repository + "/boards/qemu-q35/qemu-q35.dts", encoding: .utf8)
        try folder.write("qemu-q35/qemu-q35.dts", parent)
        try folder.write(
            "big/big.dts",
            "/dts-v1/;\n/include/ \"qemu-q35/qemu-q35.dts\"\n/ { compatible = \"acme,big\"; extends = \"qemu-q35\";\n\tmemory { minimum-mib = <512>; };\n};\n")
        try folder.write("big/big@b.dts", "/dts-v1/;\n/include/ \"big.dts\"\n/ { revision = \"b\";\n\tmemory { minimum-mib = <640>; };\n};\n")
        try folder.write("big/big.proven", "/memory/minimum-mib = <512>\n")
        let shown = try board(["show", "big"], in: folder.path)
        let lines = shown.output.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ") }
        #expect(shown.status == 0 && lines.contains("/memory/minimum-mib <512> \(folder.path)/big/big.dts:4"))
        let mtu = (parent.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains("mtu =") } ?? 0) + 1
        #expect(lines.contains("/interconnect/ethernet0/mtu <9000> \(folder.path)/qemu-q35/qemu-q35.dts:\(mtu) (board qemu-q35) unproven"))
        #expect(lines.contains("/interconnect/ethernet0/technology \"ethernet\" default unproven"))
        let unproven = try #require(lines.last)
        #expect(unproven.hasPrefix("unproven: ") && unproven.contains("/consoles/baud-rate") && !unproven.contains("minimum-mib"))
        let revision = try board(["show", "big@b", "--json"], in: folder.path)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(revision.output.utf8)) as? [String: Any])
        let values = try JSONDecoder().decode([BoardValue].self, from: JSONSerialization.data(withJSONObject: object["values"] ?? []))
        #expect(values.first { $0.path == "/memory/minimum-mib" }?.origin == "\(folder.path)/big/big@b.dts:4")
        #expect(object["board"] != nil)
        let list = try board(["list"], in: folder.path)
        #expect(list.output.split(separator: "\n").map { $0.prefix { $0 != " " } } == ["big", "big@b", "qemu-q35"])
    }

    @Test func proveRecordsWhatTheConsolesSay() throws {
        let folder = try Folder()
        let head = "vsmp: Brand firmware 0123456789ab for board qemu-q35, init at 1 s\n"
        try folder.write("good.log", head + "vsmp: board: seen /processors/sockets: the board has at least 1, this computer has 1\n")
        try folder.write("other.log", head.replacingOccurrences(of: "qemu-q35", with: "qemu-q36"))
        let arguments = ["prove", "qemu-q35", folder.path + "/good.log", "--output", folder.path + "/record"]
        #expect(try board(arguments).status == 0)
        #expect(folder.read("record").split(separator: "\n").dropFirst() == ["/processors/sockets = <1>"])
        #expect(try board(arguments + ["--lab"]).status == 0)
        #expect(folder.read("record").contains("/lab/machine = \"q35\"\n"))
        #expect(try board(["prove", "qemu-q35", folder.path + "/other.log", "--output", folder.path + "/other"]).status == 65)
        #expect(try board(["prove", "qemu-q35", folder.path + "/absent.log"]).status == 66)
        #expect(try board(["prove", "qemu-q35", folder.path + "/good.log", "--output", folder.path + "/absent/record"]).status == 73)
        #expect(folder.read("other").isEmpty)
    }

    @Test func proveTakesLogsOfTheVeryRevisionAndLeavesOutWhatHasChanged() throws {
        let folder = try Folder()
        let source = try String(contentsOfFile: repository + "/boards/qemu-q35/qemu-q35.dts", encoding: .utf8)
        try folder.write("qemu-q35/qemu-q35.dts", source)
        for revision in ["1", "2"] {
            try folder.write(
                "qemu-q35/qemu-q35@\(revision).dts",
                "/dts-v1/;\n/include/ \"qemu-q35.dts\"\n/ { revision = \"\(revision)\";\n\tmemory { minimum-mib = <5\(revision)2>; };\n};\n")
        }
        let sockets = "vsmp: board: seen /processors/sockets: the board has at least 1, this computer has 1\n"
        let memory = "vsmp: board: seen /memory/minimum-mib: the board has at least 512 MiB, this computer has 900 MiB\n"
        for name in ["qemu-q35", "qemu-q35@1", "qemu-q35@2"] {
            try folder.write(name + ".log", "vsmp: Brand firmware 0123456789ab for board \(name), init at 1 s\n" + sockets + memory)
        }
        func prove(_ name: String, by log: String) throws -> (status: Int32, output: String, errors: String) {
            try board(["prove", name, folder.path + "/\(log).log", "--output", folder.path + "/record"], in: folder.path)
        }
        for (name, log) in [("qemu-q35@2", "qemu-q35@1"), ("qemu-q35@2", "qemu-q35"), ("qemu-q35", "qemu-q35@1")] {
            let refused = try prove(name, by: log)
            #expect(refused.status == 65 && refused.errors.contains("a log is not of board \(name):"), "\(name) by \(log)")
        }
        #expect(folder.read("record").isEmpty)
        #expect(try prove("qemu-q35@1", by: "qemu-q35@1").errors.isEmpty)
        #expect(folder.read("record").contains("/memory/minimum-mib = <512>\n"))
        let changed = try prove("qemu-q35@2", by: "qemu-q35@2")
        #expect(changed.status == 0 && changed.errors.hasPrefix("vsmp: left out /memory/minimum-mib: the boot saw \"the board has at least 512 MiB, "))
        #expect(folder.read("record").split(separator: "\n").dropFirst() == ["/processors/sockets = <1>"])
    }

    @Test func theTableIsPrintedAndPutIntoADocument() throws {
        let folder = try Folder()
        let table = try board(["table"])
        #expect(table.output.contains("| `opteron-2008-infiniband` |") && table.output.contains("mlx4_core (infiniband, mlx4_ib)"))
        try folder.write("README.md", "before\n\(BoardTable.begin)\nold\n\(BoardTable.end)\nafter\n")
        #expect(try board(["table", "--update", folder.path + "/README.md"]).status == 0)
        #expect(folder.read("README.md") == "before\n\(BoardTable.begin)\n\(table.output)\(BoardTable.end)\nafter\n")
        try folder.write("none.md", "no marks\n")
        #expect(try board(["table", "--update", folder.path + "/none.md"]).status == 65)
        #expect(try board(["table", "--update", folder.path + "/absent.md"]).status == 66)
    }

    @Test func theSchemaIsPrinted() throws {
        #expect(try run("vsmp", ["board", "schema"]).output == BoardBinding.schema)
    }

    /// A computer with what a description needs, in the folder's `root`.
    private func writeComputer(in folder: Folder) throws {
        for (name, text) in [
            ("root/sys/devices/system/cpu/cpu0/topology/physical_package_id", "0"), ("root/sys/devices/system/cpu/cpu0/topology/core_id", "0"),
            ("root/proc/iomem", "00100000-4fffffff : System RAM"), ("root/sys/class/tty/ttyS0/type", "4"),
            ("root/sys/class/dmi/id/product_name", "B1"), ("root/sys/class/net/eth0/address", "00:00:00:00:00:01"),
            ("root/sys/drivers/e1000e/x", ""),
        ] { try folder.write(name, text + "\n") }
        try FileManager.default.createDirectory(atPath: folder.path + "/root/sys/class/net/eth0/device", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/root/sys/class/net/eth0/device/driver", withDestinationPath: "../../../../drivers/e1000e")
    }

    /// The node's program and the workstation's say the same of one computer, and lint accepts it.
    @Test func captureDescribesAnotherRoot() throws {
        let folder = try Folder()
        try writeComputer(in: folder)
        let words = ["acme,b1", "--evidence", "rack 7", "--root", folder.path + "/root"]
        let captured = try run("vsmp", ["board", "capture"] + words)
        #expect(captured.status == 0 && captured.output.contains("system-product = \"B1\"; /* SMBIOS type 1, product name */"))
        #expect(try run("vsmpd", ["capture"] + words).output == captured.output)
        try folder.write("boards/b1/b1.dts", captured.output)
        let lint = try board(["lint"], in: folder.path + "/boards")
        #expect(lint.status == 0 && lint.output.isEmpty, "\(lint.output)")
        let absent = try run("vsmp", ["board", "capture", "acme,b1", "--evidence", "x", "--root", folder.path + "/absent"])
        #expect(absent.status == 66 && absent.errors.contains("cannot capture this computer"))
        #expect(try run("vsmp", ["board", "capture", "acme", "--evidence", "x"]).status == 64)
        for (name, evidence, hint) in [("ACME,B1", "x", "expected \"acme,b1\""), ("acme,b1", "", "expected when, where and by whom")] {
            for program in [("vsmp", ["board", "capture"]), ("vsmpd", ["capture"])] {
                let said = try run(program.0, program.1 + [name, "--evidence", evidence, "--root", folder.path + "/root"])
                #expect(said.status == 64 && said.output.isEmpty && said.errors.contains(hint), "\(program.0): \(said.errors)")
            }
        }
    }

    /// The same board twice: where the sockets must be exact the node ends with both sides, where they are reported it goes on, up to the
    /// port that this computer lacks.
    @Test func aNodeComparesBoardAndComputer() throws {
        let folder = try Folder()
        var source = try String(contentsOfFile: repository + "/boards/qemu-q35/qemu-q35.dts", encoding: .utf8)
        source = source.replacingOccurrences(of: "sockets = <1>;", with: "sockets = <64>;\n\t\tsockets-match = \"exact\";\n\t\tmatch = \"report\";")
            .replacingOccurrences(of: "match = \"at-least\";", with: "")
            .replacingOccurrences(of: "minimum-mib =", with: "minimum-mib-match = \"report\";\n\t\tminimum-mib =")
            .replacingOccurrences(of: "\"virtio_net\";\n\t\t\tkernel", with: "\"no_such_driver\";\n\t\t\tdriver-match = \"report\";\n\t\t\tkernel")
            .replacingOccurrences(of: "baud-rate =", with: "firmware-console-match = \"report\";\n\t\tguest-console-match = \"report\";\n\t\tbaud-rate =")
            .replacingOccurrences(of: "processors = <1>;", with: "processors = <64>;")
        try folder.write("machine.conf", "kit=k\nnodes=2\nnode=1\n")
        try folder.write("cluster.key", String(repeating: "0123456789abcdef", count: 4) + "\n")
        try folder.write("hash", String(repeating: "ab", count: 32) + "\n")
        func start(_ source: String) throws -> (status: Int32, output: String, errors: String) {
            try folder.write("qemu-q35/qemu-q35.dts", source)
            let blob = try BoardCatalogue(path: folder.path).load("qemu-q35").deviceTree
            try Data(blob).write(to: URL(fileURLWithPath: folder.path + "/board.dtb"))
            return try run(
                "vsmpd", ["run", "--board", folder.path + "/board.dtb", "--config", folder.path, "--firmware-hash-file", folder.path + "/hash"])
        }
        let refused = try start(source)
        #expect(refused.status == 84)
        #expect(refused.errors.contains("vsmp: this computer is no qemu-q35: /processors/sockets: the board has exactly 64, this computer has "))
        #expect(!refused.errors.contains("warning: /processors/sockets"))
        let warned = try start(source.replacingOccurrences(of: "sockets-match = \"exact\"", with: "sockets-match = \"report\""))
        #expect(warned.errors.contains("vsmp: board: warning: /processors/sockets: the board has 64, this computer has "))
        #expect(warned.status == 84 && warned.errors.contains("no network interface has the driver no_such_driver"), "\(warned.errors)")
    }
}
