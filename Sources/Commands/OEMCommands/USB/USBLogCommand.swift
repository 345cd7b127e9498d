import ArgumentParser
import CommandParsing
import Contract
import Platform
import Provisioning

/// `vsmp usb log`: reads factory logs.
struct USBLogCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "log", abstract: "Prove that a factory log is as it was written, and put it into a table.", subcommands: [Verify.self, Export.self])
    }

    struct Verify: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Look for records that were changed, taken out or moved.",
                discussion: "The status is 65 when one is found; each is named with its line. The last record's hash proves later that nothing before it was changed: note it where "
                    + "nobody who can write the log can change it, and give it to --noted.")
        }

        @Argument(help: "The factory log.", completion: .file())
        var file: String

        @Option(help: ArgumentHelp("A record with this hash must be there.", valueName: "hash"))
        var noted: String?

        @Flag(help: "Print JSON for a program.")
        var json = false

        func run() throws {
            try reportingErrors {
                let check = try FactoryLog(file).verify(containing: noted?.lowercased())
                if json {
                    try printJSON(check)
                } else {
                    for line in check.mended { StandardOutput.print("\(file):\(line): a record was cut off here, as by a loss of power; the next line says so") }
                    for finding in check.findings { printError("vsmp: \(file):\(finding.line): \(finding.fault.rawValue): \(finding.words)") }
                    let last = check.last.map { ", the last with the hash \($0)" } ?? ""
                    StandardOutput.print("\(file): \(check.records) records\(last); \(check.findings.isEmpty ? "all are as they were written" : "\(check.findings.count) fault\(check.findings.count == 1 ? "" : "s")")")
                }
                if !check.findings.isEmpty { throw ExitCode(ExitStatus.badInput.rawValue) }
            }
        }
    }

    struct Export: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Print a factory log as CSV (RFC 4180), one line for each stick.",
                discussion: "Records that are not as they were written are left out and named, and the status is 65. A cell that a spreadsheet would take for a formula begins with an "
                    + "apostrophe.")
        }

        @Argument(help: "The factory log.", completion: .file())
        var file: String

        func run() throws {
            try reportingErrors {
                StandardOutput.print(FactoryRecord.csvHeader, terminator: "")
                let check = try FactoryLog(file).verify { _, record in
                    if let line = record.csv { StandardOutput.print(line, terminator: "") }
                }
                for finding in check.findings { printError("vsmp: \(file):\(finding.line): \(finding.fault.rawValue): \(finding.words)") }
                if !check.findings.isEmpty { throw ExitCode(ExitStatus.badInput.rawValue) }
            }
        }
    }
}
