import ArgumentParser
import CommandParsing
import FirmwareImage
import Platform
import Provisioning
import StickState

/// `vsmp usb update`: a newer firmware into the free bank of a stick.
struct USBUpdateCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "update", abstract: "Put a newer firmware into the free bank of a stick; its personalisation stays.",
            discussion: """
                The stick's other bank keeps its firmware. The new one gets three starts to carry a machine; without one the board \
                goes back to the other bank (docs/images.md, "Two banks").
                """)
    }

    @Argument(help: "The image, from vsmp image build with a higher --image-version.")
    var image: String

    @Argument(help: "A stick such as /dev/sdb, or the plain file of one.")
    var target: String

    @OptionGroup var allowed: PortOptions

    @OptionGroup var log: LogOption

    @Flag(help: "Check everything and say what would happen; change nothing.")
    var dryRun = false

    @Flag(help: "Print the report as JSON.")
    var json = false

    func run() throws {
        try reportingErrors {
            let report = try updated()
            if json { return try printJSON(report) }
            if dryRun {
                return StandardOutput.print(
                    "\(target): bank \(report.bank.rawValue) would get version \(report.version), firmware hash \(report.firmwareHash); "
                        + "version \(report.kept) would stay in the other bank; nothing was changed")
            }
            StandardOutput.print(
                "\(target): bank \(report.bank.rawValue) holds version \(report.version), firmware hash \(report.firmwareHash); "
                    + "version \(report.kept) stays in the other bank")
        }
    }

    private func updated() throws -> BankInstallation {
        var report: BankInstallation?
        let station = try allowed.stationFile()
        try StickLogbook.keeping(dryRun ? nil : log.path(station), .update, [target], station: station) { book in
            let writer = try StickWriter(image: image, rules: allowed.rules(station))
            try book?.take(ImageReader(writer.image))
            report = try writer.update(target, isDryRun: dryRun) { printError("vsmp: \($0)") }
            book?.end(target, .updated)
        }
        guard let report else { preconditionFailure("an update reports or throws") }
        return report
    }
}
