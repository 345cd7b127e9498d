import ArgumentParser
import Bytes
import Foundation
import OEMCommands
import Testing

struct HelpTests {
    /// A terminal of any width wraps what it shows; nobody else does.
    @Test func paragraphsOfTheHelpAreWrappedByTheTerminalAlone() {
        for command in Self.commands(below: RootCommand.self) {
            let help = command.helpMessage(columns: 4000)
            let overview = help.components(separatedBy: "\nUSAGE:")[0]
            for paragraph in overview.components(separatedBy: "\n\n") {
                #expect(!paragraph.trimmed.contains("\n"), "\(command)")
            }
        }
    }

    private static func commands(below command: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
        [command] + command.configuration.subcommands.flatMap { commands(below: $0) }
    }
}
