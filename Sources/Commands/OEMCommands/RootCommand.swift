package import ArgumentParser
internal import Contract

/// `vsmp`: what a board maker runs on a workstation.
package struct RootCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "vsmp",
            abstract: "Build, write and test vSMP firmware: many servers, one machine.",
            version: "vsmp \(SDKVersion.text)",
            subcommands: [
                BoardCommand.self, ImageCommand.self, LicenseCommand.self, KitCommand.self, USBCommand.self, LabCommand.self,
            ])
    }

    package init() {}
}
