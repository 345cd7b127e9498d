import ArgumentParser
import CommandParsing
import Platform
import Provisioning

/// `vsmp usb repair`: a whole partition table from its other copy.
struct USBRepairCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "repair", abstract: "Mend a stick's partition table from the copy that is whole.",
            discussion: "A stick has its partition table at its beginning and at its end. Where one copy is damaged the other one is used, with a warning, until this mends it.")
    }

    @Argument(help: "A stick such as /dev/sdb, or the plain file of one.")
    var target: String

    @OptionGroup var allowed: PortOptions

    @Flag(help: "Say what is damaged; change nothing.")
    var dryRun = false

    @Flag(help: "Print the report as JSON.")
    var json = false

    func run() throws {
        try reportingErrors {
            let report = try StickRepair(rules: allowed.rules(allowed.stationFile())).repair(target, isDryRun: dryRun)
            if json { return try printJSON(report) }
            StandardOutput.print(report.damage.map { "\(target): \($0); \(dryRun ? "nothing was changed" : "both are whole again")" } ?? "\(target): both copies of the partition table are whole")
            if !report.startsOnBIOS { StandardOutput.print("\(target): the boot code for BIOS is not that of its firmware: write the stick anew for boards that start by BIOS") }
        }
    }
}
