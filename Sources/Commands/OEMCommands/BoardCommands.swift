import CommandParsing
internal import Contract
package import ArgumentParser
internal import BoardSupport
internal import Foundation
internal import Platform

/// `vsmp board`: the server models this workspace describes.
package struct BoardCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "board", abstract: "List, check, show and capture board descriptions (docs/boards.md).",
            subcommands: [List.self, Lint.self, Show.self, Capture.self, Prove.self, Table.self, Schema.self])
    }

    package init() {}

    struct Location: ParsableArguments {
        @Option(help: ArgumentHelp("Folder that holds one folder for each board.", valueName: "folder"))
        var boardsPath = "boards"

        var catalogue: BoardCatalogue { BoardCatalogue(path: boardsPath) }
    }

    struct Options: ParsableArguments {
        @OptionGroup var location: Location

        @Flag(help: "Print JSON for a program.")
        var json = false

        var catalogue: BoardCatalogue { location.catalogue }
    }

    struct List: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "List the boards and revisions there are.")
        }

        @OptionGroup var options: Options

        func run() throws {
            try reportingErrors {
                let rows = try options.catalogue.names().map { name in Row(name, options.catalogue) }
                let strays = try options.catalogue.strays()
                if options.json { try printJSON(rows) } else { show(rows) }
                guard strays.isEmpty else { throw BoardError.invalid(strays) }
            }
        }

        private func show(_ rows: [Row]) {
            let width = rows.map(\.name.count).max() ?? 0
            for row in rows {
                let padding = String(repeating: " ", count: width - row.name.count)
                let status = row.status.map { " (\($0))" } ?? ""
                StandardOutput.print("\(row.name)\(padding)  \(row.model ?? "invalid: see vsmp board lint \(row.name)")\(status)")
            }
        }

        struct Row: Encodable {
            var name: String
            var model: String?
            var status: String?
            var valid: Bool

            init(_ name: String, _ catalogue: BoardCatalogue) {
                self.name = name
                let board = try? catalogue.load(name).board
                model = board?.model
                status = board?.status.rawValue
                valid = board != nil
            }
        }
    }

    struct Lint: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Report every mistake in board descriptions; status 0 means none.",
                discussion: "Warnings are printed, too, and do not change the status.")
        }

        @OptionGroup var options: Options

        @Flag(help: "Print also how each board's memory divides between firmware, slice and cache.")
        var memory = false

        @Argument(help: "Names of boards (NAME or NAME@REVISION); all when none is given.")
        var names: [String] = []

        func run() throws {
            try reportingErrors {
                var findings = names.isEmpty ? try options.catalogue.strays() : []
                for name in names.isEmpty ? try options.catalogue.names() : names {
                    do {
                        let compiled = try options.catalogue.load(name)
                        findings += compiled.warnings
                        if memory, !options.json { StandardOutput.print("\(compiled.board.fullName): \(BoardMemory(compiled.board).text)", terminator: "") }
                    } catch BoardError.invalid(let found) {
                        findings += found
                    }
                }
                if options.json {
                    try printJSON(findings)
                } else {
                    for finding in findings { StandardOutput.print(finding) }
                }
                if findings.contains(where: { $0.severity == .error }) { throw ExitCode(ExitStatus.badInput.rawValue) }
            }
        }
    }

    struct Show: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Show every value of a board, where it comes from, and whether a test has seen it at work.")
        }

        @OptionGroup var options: Options
        @Argument(help: "Name of the board, or NAME@REVISION.")
        var name: String

        func run() throws {
            try reportingErrors {
                let compiled = try options.catalogue.load(name)
                let values = compiled.values(proof: options.catalogue.proof(of: name))
                if options.json { return try printJSON(Shown(board: compiled.board, values: values, memory: BoardMemory(compiled.board))) }
                StandardOutput.print(BoardListing(compiled.board, values).text, terminator: "")
            }
        }

        struct Shown: Encodable {
            var board: Board
            var values: [BoardValue]
            var memory: BoardMemory
        }
    }

    struct Capture: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Describe the computer this runs on, each value with its origin beside it.",
                discussion: """
                    Needs root for the memory map and the ACPI tables. `vsmpd capture` does the same on a node.
                    """)
        }

        @Argument(help: "Vendor and name of the board: vendor,board in lower case.")
        var compatible: String

        @Option(help: "What the status `captured` rests on: when, where and by whom.")
        var evidence: String

        @Option(help: ArgumentHelp("Folder in which /proc and /sys of the computer are.", valueName: "folder"))
        var root = ""

        func run() throws {
            try reportingErrors {
                let words = compatible.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
                guard words.count == 2, words.allSatisfy({ !$0.isEmpty }) else {
                    throw ValidationError("'\(compatible)' has not the form vendor,board")
                }
                var capture = BoardCapture(root: root)
                do throws(BoardCapture.Problem) {
                    StandardOutput.print(try capture.source(vendor: words[0], name: words[1], evidence: evidence), terminator: "")
                } catch {
                    if case .argument = error { throw ValidationError("\(error)") }
                    printError("vsmp: \(error)")
                    throw ExitCode(error.exitStatus.rawValue)
                }
            }
        }
    }

    struct Prove: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Record which values a boot has seen at work, from the firmware's consoles, in NAME.proven beside the source.")
        }

        @OptionGroup var location: Location
        @Argument(help: "Name of the board, or NAME@REVISION.")
        var name: String

        @Argument(help: "Logs of firmware consoles (vsmp lab boot --log-dir).")
        var logs: [String]

        @Flag(help: "The lab started these boards from the board's own lab node.")
        var lab = false

        @Option(help: "Where to write the record. Default: beside the board's source.")
        var output: String?

        func run() throws {
            try reportingErrors {
                let compiled = try location.catalogue.load(name)
                let consoles = try logs.map { log in
                    do throws(FileReadError) {
                        return String(decoding: try WholeFile.readArgument(log), as: UTF8.self)
                    } catch {
                        throw BoardError.missing(path: log, hint: "\(error); name the log of a firmware console")
                    }
                }
                guard consoles.allSatisfy({ BoardProof.boards(saidOn: $0).contains(compiled.board.fullName) }) else {
                    printError("vsmp: a log is not of board \(compiled.board.fullName): its firmware did not say so; boot an image of that board")
                    throw ExitCode(ExitStatus.badInput.rawValue)
                }
                let proof = BoardProof(consoles: consoles, includesLab: lab, of: compiled)
                for (path, words) in proof.differing.sorted(by: { $0.key < $1.key }) {
                    printError("vsmp: left out \(path): the boot saw \"\(words)\", which is not what the description says now; boot an image of it")
                }
                let file = output ?? location.catalogue.proofPath(of: name)
                try writeFile(Data(proof.text.utf8), to: file)
            }
        }
    }

    struct Table: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Print the table of boards for README.md.")
        }

        @OptionGroup var location: Location

        @Option(help: ArgumentHelp("Replace the table in this document instead.", valueName: "file"))
        var update: String?

        func run() throws {
            try reportingErrors {
                let table = try BoardTable(location.catalogue)
                guard let update else { return StandardOutput.print(table.text, terminator: "") }
                let document: String
                do throws(FileReadError) {
                    document = String(decoding: try WholeFile.read(update), as: UTF8.self)
                } catch {
                    throw BoardError.missing(path: update, hint: "\(error); name a document that holds the table")
                }
                guard let changed = table.update(document) else {
                    printError("vsmp: \(update) lacks the lines \(BoardTable.begin) and \(BoardTable.end), between which the table belongs")
                    throw ExitCode(ExitStatus.badInput.rawValue)
                }
                try writeFile(Data(changed.utf8), to: update)
            }
        }
    }

    struct Schema: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Print the binding as a schema for dt-validate.")
        }

        func run() { StandardOutput.print(BoardBinding.schema, terminator: "") }
    }
}

/// What `vsmp board show` prints: a line for each value, then what no test has exercised.
struct BoardListing {
    var text: String

    init(_ board: Board, _ values: [BoardValue]) {
        let paths = values.map(\.path.count).max() ?? 0
        let widths = min(40, values.map(\.value.count).max() ?? 0)
        text = "\(board.fullName): \(board.model), \(board.status.rawValue)\n"
        for value in values {
            text += value.path.padded(to: paths) + "  " + value.value.padded(to: widths) + "  " + value.origin
            if let extended = value.extended { text += " (board \(extended))" }
            if value.standing == .unproven { text += "  unproven" }
            text += "\n"
        }
        text += BoardMemory(board).text
        let unproven = values.filter { $0.standing == .unproven }.map(\.path)
        text += unproven.isEmpty ? "every value was seen at work\n" : "unproven: \(unproven.joined(separator: " "))\n"
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
