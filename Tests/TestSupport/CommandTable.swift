package import ArgumentParser
import Foundation

/// The options of a program's commands that are numbers, as its own help has them: their help ends with a range.
package struct NumberOption {
    /// The subcommands that lead to it, then its name with the dashes.
    private let words: [String]
    private let range: (least: String, most: String)

    /// What no such option takes.
    private var refused: [String] { ["-1", "99999999999999999999", "", "1x", " 1", "+1", "1.5"] + (range.least == "0" ? ["00"] : ["0"]) }

    /// What a program takes or refuses in other words than it should.
    package static func faults(in program: (some ParsableCommand).Type, atLeast count: Int) throws -> [String] {
        func refusal(_ words: [String]) -> (status: Int32, message: String)? {
            do {
                _ = try program.parseAsRoot(words)
                return nil
            } catch {
                return (program.exitCode(for: error).rawValue, program.fullMessage(for: error))
            }
        }
        let options = try all(in: program._dumpHelp())
        var faults = options.count < count ? ["\(options.count) options are numbers: \(options.map(\.words))"] : []
        for option in options {
            for value in option.refused {
                let found = refusal(option.words + [value])
                let isRight = found.map { $0.status == 64 && $0.message.contains("from \(option.range.least) to \(option.range.most)") } ?? false
                if !isRight { faults.append("\(option.words.joined(separator: " ")) '\(value)': \(found.map { "\($0)" } ?? "taken")") }
            }
        }
        return faults
    }

    /// - Parameter dump: what `--experimental-dump-help` prints (ArgumentParserToolInfo).
    private static func all(in dump: String) throws -> [NumberOption] {
        struct Dump: Decodable {
            struct Command: Decodable {
                struct Argument: Decodable {
                    struct Name: Decodable { let kind, name: String }
                    let names: [Name]?
                    let abstract: String?
                }
                let commandName: String
                let subcommands: [Command]?
                let arguments: [Argument]?
            }
            let command: Command
        }
        func options(_ command: Dump.Command, _ path: [String]) -> [NumberOption] {
            let own = (command.arguments ?? []).compactMap { argument -> NumberOption? in
                guard let name = argument.names?.first(where: { $0.kind == "long" })?.name,
                    let range = argument.abstract?.firstMatch(of: /From (\d+) to (\d+)\.$/)
                else { return nil }
                return NumberOption(words: path + ["--" + name], range: (String(range.1), String(range.2)))
            }
            return own + (command.subcommands ?? []).flatMap { options($0, path + [$0.commandName]) }
        }
        return options(try JSONDecoder().decode(Dump.self, from: Data(dump.utf8)).command, [])
    }
}
