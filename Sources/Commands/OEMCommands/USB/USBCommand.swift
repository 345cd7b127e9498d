package import ArgumentParser

/// `vsmp usb`: find and write sticks.
package struct USBCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "usb", abstract: "List and write USB sticks (docs/sticks.md).",
            subcommands: [
                USBListCommand.self, USBWriteCommand.self, USBStationCommand.self, USBVerifyCommand.self, USBUpdateCommand.self, USBRepairCommand.self,
                USBWipeCommand.self, USBLogCommand.self,
            ])
    }

    package init() {}
}
