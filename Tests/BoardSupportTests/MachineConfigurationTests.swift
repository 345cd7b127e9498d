import Bytes
import Contract
import Coherence
import Foundation
import TestSupport
import Testing

@testable import BoardSupport

@Suite struct MachineConfigurationTests {
    private func parse(_ text: String) throws(TextError) -> MachineConfiguration { try MachineConfiguration(text.utf8) }

    @Test func everyKeyIsRead() throws {
        let configuration = try parse(
            """
            # written by hand
            kit=lab-7
            nodes=3\r
              node=2

            slice-mib=512
            cache-mib=64
            processors=4
            on-failure=wait
            outage-seconds=7
            policies=all,-stride-prefetch
            """)
        #expect(configuration.kit == "lab-7" && configuration.nodes == 3 && configuration.node == 2)
        #expect(configuration.sliceMiB == 512 && configuration.cacheMiB == 64 && configuration.processors == 4)
        #expect(configuration.onFailure == .wait && configuration.outageSeconds == 7)
        #expect(configuration.policies == PolicySet.all.subtracting(.stridePrefetch))
    }

    @Test func whatIsNotSaidIsLeftToTheNode() throws {
        let configuration = try parse("kit=a\nnodes=1\nnode=0\n")
        #expect(configuration == MachineConfiguration(kit: "a", nodes: 1, node: 0))
    }

    /// The stick's word wins over the board's; where both are silent every policy is on.
    @Test func policiesAreTheSticksElseTheBoardsElseAll() throws {
        let boards = BoardCatalogue(path: repository + "/boards")
        var board = try boards.load("qemu-q35").board
        let silent = try parse("kit=a\nnodes=1\nnode=0\n")
        let stick = try parse("kit=a\nnodes=1\nnode=0\npolicies=none\n")
        #expect(board.coherence == nil)
        #expect(silent.policies(on: board) == .all && stick.policies(on: board) == .none)
        board.coherence = Board.Coherence(policies: .all.subtracting(.stridePrefetch))
        #expect(silent.policies(on: board) == .all.subtracting(.stridePrefetch))
        #expect(stick.policies(on: board) == .none)
    }

    @Test(arguments: [
        ("kit=a\nnodes=2\nnode=0\nfan=1", "machine.conf:4: unknown key fan="),
        ("kit=a\nnodes=2\nnode=0\n\nnode=1", "machine.conf:5: node= is there twice"),
        ("kit=a\nnodes 2", "machine.conf:2: expected key=value, found \"nodes 2\""),
        ("kit=a\nnodes=2\nnode=2", "machine.conf:3: node: expected a number from 0 to 1, found \"2\""),
        ("kit=a\nnodes=0\nnode=0", "machine.conf:2: nodes: expected a number from 1 to 16, found \"0\""),
        ("kit=a\nnodes=17\nnode=0", "machine.conf:2: nodes: expected a number from 1 to 16, found \"17\""),
        ("kit=a\nnodes=two\nnode=0", "machine.conf:2: nodes: expected a number"),
        ("kit=a\nnodes=99999999999999999999\nnode=0", "machine.conf:2: nodes: expected a number"),
        ("kit=a\nnodes=1\nnode=0\nslice-mib=1", "machine.conf:4: slice-mib: expected a number of MiB from 64"),
        ("kit=a\nnodes=1\nnode=0\ncache-mib=0", "machine.conf:4: cache-mib: expected a number of MiB from 1"),
        ("kit=a\nnodes=1\nnode=0\nprocessors=0", "machine.conf:4: processors: expected a number from 1 to 4096"),
        ("kit=a\nnodes=1\nnode=0\noutage-seconds=0", "machine.conf:4: outage-seconds: expected a number of seconds from 1 to 60, found \"0\""),
        ("kit=a\nnodes=1\nnode=0\noutage-seconds=61", "machine.conf:4: outage-seconds: expected a number of seconds from 1 to 60, found \"61\""),
        ("kit=a\nnodes=1\nnode=0\non-failure=retry", "machine.conf:4: on-failure: expected `poweroff` or `wait`, found \"retry\""),
        ("kit=a\nnodes=1\nnode=0\nrejoin=0", "machine.conf:4: rejoin: expected `always`, `never`, or a number of attempts from 1 to 1000, found \"0\""),
        ("kit=a\nnodes=1\nnode=0\nrejoin=1001", "machine.conf:4: rejoin: expected `always`"),
        ("kit=a\nnodes=1\nnode=0\nwatchdog=yes", "machine.conf:4: watchdog: expected `on` or `off`, found \"yes\""),
        ("kit=a\nnodes=1\nnode=0\npolicies=fast", "machine.conf:4: policies: there is no policy 'fast'"),
        ("kit=two words\nnodes=1\nnode=0", "machine.conf:1: kit: expected 1 to 32 letters, digits and hyphens, found \"two words\""),
        ("kit=\(String(repeating: "k", count: 33))\nnodes=1\nnode=0", "machine.conf:1: kit: expected 1 to 32 letters"),
        ("kit=a\nnodes=1\nnode=0\nslice-mib=64\0", "machine.conf:4: there is the control character U+0000"),
        ("nodes=2\nnode=0", "machine.conf: kit= is missing"), ("kit=a\nnode=0", "machine.conf: nodes= is missing"),
        ("kit=a\nnodes=2", "machine.conf: node= is missing"),
    ])
    func mistakesNameFileAndLine(text: String, expected: String) throws {
        let error = try #require(throws: TextError.self) { try parse(text) }
        #expect("\(error)".hasPrefix(expected), "\(error)")
    }

    // MARK: Written and read

    /// Values of every key in every combination of given and left out, at the ends of their ranges and between.
    @Test func whatIsWrittenIsReadAsItWas() throws {
        var random = SystemRandomNumberGenerator()
        func value(_ range: ClosedRange<Int>) -> Int? { [nil, range.lowerBound, range.upperBound, Int.random(in: range, using: &random)].randomElement()! }
        for _ in 0..<2000 {
            let nodes = Int.random(in: Limits.nodes)
            var configuration = MachineConfiguration(
                kit: String((0..<Int.random(in: Limits.kitName)).map { _ in "abcXYZ019-".randomElement()! }), nodes: nodes,
                node: NodeIndex(Int.random(in: 0..<nodes)))
            configuration.sliceMiB = value(Limits.sliceMiB)
            configuration.cacheMiB = value(Limits.cacheMiB)
            configuration.processors = value(Limits.lentProcessors)
            configuration.outageSeconds = value(Limits.outageSeconds)
            configuration.onFailure = [nil, .powerOff, .wait].randomElement()!
            configuration.rejoining = [nil, .always, .never, .attempts(Int.random(in: 1...1000))].randomElement()!
            configuration.watchdog = [nil, .on, .off].randomElement()!
            configuration.policies = [nil, .all, PolicySet.none, PolicySet(rawValue: UInt32.random(in: 0...PolicySet.all.rawValue)).intersection(.all)].randomElement()!
            #expect(try parse(try configuration.text) == configuration)
        }
    }

    /// Line ends, a byte order mark, blank lines and comments are an editor's business.
    @Test func whatAnEditorDoesChangesNothing() throws {
        let text = try whole.text
        for changed in [
            "\u{FEFF}" + text, text.replacing("\n", with: "\r\n"), text.replacing("\n", with: "\r"), "# mine\n\n  " + text, String(text.dropLast()),
        ] { #expect(try parse(changed) == whole) }
        #expect(throws: TextError("machine.conf", "this is UTF-16 text; save it as UTF-8 and try again")) {
            try MachineConfiguration([0xFF, 0xFE] + text.utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] })
        }
    }

    /// firmware/init looks for one setting by itself, and finds it in every form that the node reads.
    @Test func initFindsWhatANodeReads() throws {
        let script = try String(contentsOfFile: repository + "/firmware/init", encoding: .utf8)
        let line = try #require(script.split(separator: "\n").first { $0.contains("on-failure=wait$") })
        let condition = try #require(line.firstMatch(of: /if (.*); then/)).1
        let folder = ScratchFolder()
        let head = "kit=a\nnodes=1\nnode=0\n"
        for text in [head + "on-failure=wait\n", head + " \ton-failure=wait", "on-failure=wait\n" + head, head + "on-failure=poweroff\n", head, head + "# on-failure=wait\n"] {
            for ends in ["\n", "\r\n", "\r"] {
                let written = text.replacing("\n", with: ends)
                try folder.write("machine.conf", written)
                let shell = Process()
                shell.executableURL = URL(fileURLWithPath: "/bin/sh")
                shell.arguments = ["-c", String(condition).replacing("/config/", with: folder.path + "/")]
                try shell.run()
                shell.waitUntilExit()
                #expect(try (shell.terminationStatus == 0) == (parse(written).onFailure == .wait), "\(written.debugDescription)")
            }
        }
    }

    /// The writer refuses what the node would refuse, in the same words.
    private static let wrongs: [(String, String, @Sendable (inout MachineConfiguration) -> Void)] = [
        ("slice-mib", "1", { $0.sliceMiB = 1 }), ("slice-mib", "63", { $0.sliceMiB = 63 }), ("cache-mib", "0", { $0.cacheMiB = 0 }),
        ("processors", "4097", { $0.processors = 4097 }), ("outage-seconds", "0", { $0.outageSeconds = 0 }), ("outage-seconds", "61", { $0.outageSeconds = 61 }), ("nodes", "17", { $0.nodes = 17 }), ("nodes", "0", { $0.nodes = 0 }),
        ("node", "3", { $0.node = 3 }), ("kit", "two words", { $0.kit = "two words" }), ("kit", "", { $0.kit = "" }),
    ]

    @Test(arguments: wrongs)
    func theWriterRefusesWhatTheReaderRefuses(key: String, value: String, change: @Sendable (inout MachineConfiguration) -> Void) throws {
        var wrong = whole
        change(&wrong)
        let written = try #require(throws: TextError.self) { try wrong.text }
        let lines = try whole.text.split(separator: "\n").map { $0.hasPrefix(key + "=") ? "\(key)=\(value)" : String($0) }
        let read = try #require(throws: TextError.self) { try parse(lines.joined(separator: "\n")) }
        #expect(written == read)
        #expect(read.problem.hasPrefix("\(key): expected "))
    }

    @Test func aValueCannotBringAnotherKey() {
        var wrong = whole
        wrong.kit = "kit-7\npolicies=none"
        #expect(throws: TextError.self) { try wrong.text }
    }

    /// docs/sticks.md has the keys of the table, each with its range and what happens without it, and no other.
    @Test func theDocumentIsTheTable() throws {
        let document = try String(contentsOfFile: repository + "/docs/sticks.md", encoding: .utf8)
        let section = try #require(document.firstRange(of: "### machine.conf\n")).upperBound
        let rows = document[section...].prefix { $0 != "#" }.split(separator: "\n").filter { $0.hasPrefix("| `") }
        let table = MachineConfiguration.Key.allCases.map { "| `\($0.rawValue)` | \($0.value) | \($0.standard ?? "must be there") | \($0.meaning) |" }
        #expect(rows.map(String.init) == table)
    }

    private var whole: MachineConfiguration {
        var configuration = MachineConfiguration(kit: "kit-7", nodes: 3, node: 2)
        configuration.sliceMiB = 512
        configuration.cacheMiB = 64
        configuration.processors = 4
        configuration.onFailure = .wait
        configuration.outageSeconds = 7
        configuration.policies = .all.subtracting(.stridePrefetch)
        return configuration
    }

    private let repository = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
}
