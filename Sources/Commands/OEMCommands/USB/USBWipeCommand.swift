import ArgumentParser
import CommandParsing
import Contract
import Platform
import Provisioning

/// `vsmp usb wipe`: no stick any more.
struct USBWipeCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "wipe", abstract: "Take from sticks their secrets and what makes them sticks, and read that back.",
            discussion: """
                The partition VSMP-CONFIG with the kit's key, and both ends of the stick with boot code and partition table, become zeros; with --whole \
                everything does. Which disks may be wiped is decided as for vsmp usb write.
                """)
    }

    @Argument(help: "Whole disks such as /dev/sdb, or the plain files of sticks.")
    var targets: [String]

    @Flag(help: "Clear the whole medium; needed where no partition table says where the secrets are.")
    var whole = false

    @Option(help: ArgumentHelp("Refuse any disk but the one with this identity (vsmp usb list).", valueName: "SIZE:SERIAL@PORT"))
    var identity: IdentityArgument?

    @OptionGroup var allowed: PortOptions

    @OptionGroup var log: LogOption

    @Flag(help: "Check everything and say what would happen to each stick; write nothing.")
    var dryRun = false

    @Flag(help: "Print the reports as JSON, one array.")
    var json = false

    func validate() throws {
        guard targets.count == 1 || identity == nil else { throw ValidationError("--identity is of one stick") }
    }

    func run() throws {
        try reportingErrors {
            let station = try allowed.stationFile()
            let wipe = StickWipe(isWhole: whole, rules: allowed.rules(station))
            let jobs = targets.map { StickWipe.Job($0, expected: identity?.identity) }
            if dryRun {
                let plans = try wipe.check(jobs)
                if json { return try printJSON(plans) }
                for plan in plans { StandardOutput.print(plan.summary) }
                return StandardOutput.print("nothing was written")
            }
            try StickLogbook.keeping(log.path(station), .wipe, targets, station: station) { book in try wipeAll(wipe, jobs, book) }
        }
    }

    private func wipeAll(_ wipe: StickWipe, _ jobs: [StickWipe.Job], _ book: StickLogbook?) throws {
        let progress = ProgressPrinter()
        defer { progress.pause() }
        let outcomes = try wipe.wipe(jobs, progress: { progress.show($0, $1) }) { target, outcome in
            switch outcome {
            case .success(let report): book?.end(target, .wiped, message: report.kit.map { "it was a stick of \($0)" }, bytes: report.bytes)
            case .failure(let error):
                progress.pause(ending: target)
                for line in error.description.split(separator: "\n") { printError("vsmp: \(target): \(line)") }
                book?.end(target, error.verdict, message: error.description)
            }
        }
        progress.pause()
        let reports = outcomes.compactMap { try? $0.get() }
        if json {
            try printJSON(reports)
        } else {
            for report in reports { StandardOutput.print("\(report.target): \(report.bytes >> 20) MiB cleared and read back; it is no stick any more") }
        }
        try endWithFirstFailure(outcomes, words: "are wiped; wipe the others again, or destroy them")
    }
}

/// Ends a command as the first of its sticks that failed says.
///
/// - Parameter words: what is true of the sticks that did not fail.
func endWithFirstFailure<Report>(_ outcomes: [Result<Report, ProvisioningError>], words: String) throws {
    for outcome in outcomes {
        guard case .failure(let error) = outcome else { continue }
        if outcomes.count > 1 { printError("vsmp: \(outcomes.count { (try? $0.get()) != nil }) of \(outcomes.count) sticks \(words)") }
        throw ExitCode(error.exitStatus.rawValue)
    }
}

struct IdentityArgument: ExpressibleByArgument {
    let identity: BlockDevice.Identity

    init?(argument: String) {
        guard let identity = BlockDevice.Identity(argument) else { return nil }
        self.identity = identity
    }
}

extension StickWipe.Plan {
    fileprivate var summary: String {
        let what = isDisk ? "the disk \([model, serial].compactMap(\.self).joined(separator: ", "))" : "the file of a stick"
        let holds = stick.map { "holds \($0.description)" } ?? "holds nothing that can be read as a stick"
        return "\(target): \(what), \(holds); \(bytes == size ? "all of it" : "\(bytes >> 20) of its \(size >> 20) MiB") would be cleared"
    }
}
