package import ArgumentParser
internal import BoardSupport

/// `vsmp board`: the server models this workspace describes.
package struct BoardCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "board", abstract: "List, check and show board descriptions (docs/boards.md).",
            subcommands: [List.self, Lint.self, Show.self])
    }

    package init() {}

    struct Options: ParsableArguments {
        @Option(help: ArgumentHelp("Folder that holds one folder for each board.", valueName: "folder"))
        var boardsPath = "boards"

        @Flag(help: "Print JSON for a program.")
        var json = false

        var catalogue: BoardCatalogue { BoardCatalogue(path: boardsPath) }
    }

    struct List: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "List the boards there are.")
        }

        @OptionGroup var options: Options

        func run() throws {
            try reportingErrors {
                let rows = try options.catalogue.names().map { name in Row(name, options.catalogue) }
                if options.json { return try printJSON(rows) }
                if rows.isEmpty { print("no board in \(options.boardsPath)") }
                let width = rows.map(\.name.count).max() ?? 0
                for row in rows {
                    let padding = String(repeating: " ", count: width - row.name.count)
                    print("\(row.name)\(padding)  \(row.model ?? "invalid: see vsmp board lint \(row.name)")")
                }
            }
        }

        struct Row: Encodable {
            var name: String
            var model: String?
            var valid: Bool

            init(_ name: String, _ catalogue: BoardCatalogue) {
                self.name = name
                model = try? catalogue.load(name).board.model
                valid = model != nil
            }
        }
    }

    struct Lint: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Report every mistake in board descriptions; silent status 0 means none.")
        }

        @OptionGroup var options: Options
        @Argument(help: "Names of boards; all when none is given.")
        var names: [String] = []

        func run() throws {
            try reportingErrors {
                var findings: [BoardFinding] = []
                for name in names.isEmpty ? try options.catalogue.names() : names {
                    do {
                        _ = try options.catalogue.load(name)
                    } catch BoardError.invalid(let found) {
                        findings += found
                    }
                }
                if options.json {
                    try printJSON(findings)
                } else {
                    for finding in findings { print(finding) }
                }
                if !findings.isEmpty { throw ExitCode(ExitStatus.badInput.rawValue) }
            }
        }
    }

    struct Show: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Show what a board's description says.")
        }

        @OptionGroup var options: Options
        @Argument(help: "Name of the board.")
        var name: String

        func run() throws {
            try reportingErrors {
                let board = try options.catalogue.load(name).board
                if options.json { return try printJSON(board) }
                for (label, value) in board.summary {
                    print(label + ":" + String(repeating: " ", count: max(1, 18 - label.count)) + value)
                }
            }
        }
    }
}

extension Board {
    /// One line for each fact a board maker asks about.
    fileprivate var summary: [(String, String)] {
        let rule = processors.rule == .exact ? "exactly" : "at least"
        var lines = [
            ("board", "\(name) (\(compatible.joined(separator: ", ")))"),
            ("model", model),
            (
                "processors",
                "\(rule) \(processors.sockets) socket(s) x \(processors.coresPerSocket) core(s) x "
                    + "\(processors.threadsPerCore) thread(s) = \(processors.count)"
            ),
            ("memory", "at least \(memory.minimumMiB) MiB, \(memory.firmwareReserveMiB) MiB of it for the firmware"),
        ]
        for port in interconnect {
            lines.append((
                "interconnect",
                "\(port.name): driver \(port.driver), modules \(port.kernelModules.joined(separator: " ")), packets up to \(port.mtu) bytes"
            ))
        }
        lines += [
            ("stick", "modules \(stick.kernelModules.joined(separator: " "))"),
            ("KVM on AMD", "modules \(virtualization.amdKernelModules.joined(separator: " "))"),
            ("KVM on Intel", "modules \(virtualization.intelKernelModules.joined(separator: " "))"),
            ("firmware console", "\(consoles.firmware) at \(consoles.baudRate) 8N1"),
            ("guest console", consoles.guest.map { "\($0) at \(consoles.baudRate) 8N1" } ?? "none"),
            ("policies", coherence.map { "\($0.policies)" } ?? "all"),
        ]
        if let lab {
            lines.append((
                "lab",
                "\(lab.emulator), machine \(lab.machine), processor \(lab.processorModel), "
                    + "\(lab.firmware.map(\.rawValue).joined(separator: " or ")), \(lab.processors) processor(s), "
                    + "\(lab.memoryMiB) MiB, \(lab.networkModel), \(lab.usbController)"
            ))
        } else {
            lines.append(("lab", "cannot be emulated"))
        }
        return lines
    }
}
