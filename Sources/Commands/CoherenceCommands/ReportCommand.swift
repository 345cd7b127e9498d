import Contract
import ArgumentParser
import Coherence
import CoherenceSimulation
import Foundation
internal import Platform

struct ReportCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "report", abstract: "Write coherence-results.md and its plots (SVG) into a folder.",
            discussion: """
                Runs everything on every network, and the ablation; takes about two minutes. The repository's copy is made by: \
                \(ReportCommand.usual)
                """)
    }

    static let usual = "vsmp-coherence report docs --traces Benchmarks/traces"

    @Argument(help: "An existing folder; files of these names are replaced.")
    var folder: String

    @Option(help: "Nodes, separated by commas.")
    var nodes = "2,4,8,16"

    @OptionGroup var suite: SuiteOptions

    func run() throws {
        try reportingErrors {
            guard (try? FileManager.default.contentsOfDirectory(atPath: folder)) != nil else {
                throw CommandError(.cannotCreate, "\(folder) is no folder that can be read")
            }
            let report = try Report(try suite.load(), nodes: try suite.nodeCounts(nodes))
            for file in report.files(command: command) {
                let path = "\(folder)/\(file.name)"
                do throws(OutputFileError) { try OutputFile.write(Array(file.text.utf8), to: path) } catch { throw CommandError(.cannotCreate, error.description) }
                StandardOutput.print(path)
            }
        }
    }

    /// This command again, without what has its default.
    private var command: String {
        var words = ["vsmp-coherence", "report", folder]
        if nodes != "2,4,8,16" { words += ["--nodes", nodes] }
        if suite.processors != 16 { words += ["--processors", "\(suite.processors)"] }
        if let traces = suite.traces { words += ["--traces", traces] }
        return words.joined(separator: " ")
    }
}
