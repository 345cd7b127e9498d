import ArgumentParser
import BoardSupport
import CommandParsing
import Contract
import FirmwareImage
import Platform
import Provisioning

/// `vsmp usb write`: sticks from an image.
struct USBWriteCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "write", abstract: "Write an image to sticks or plain files, read them back and compare.",
            discussion: """
                With --kit the sticks become those of a kit, numbered in the order in which they are named: all of them, or with --node one. \
                Without it a stick carries the image alone and joins no machine. Before the first stick is written the kit's licence is held against the \
                image as the boards will: what they would refuse is not written, and the status is 85.
                """)
    }

    @Argument(help: "The image, from vsmp image build.")
    var image: String

    @Argument(help: "Whole disks such as /dev/sdb, or plain files.")
    var targets: [String]

    @Option(help: ArgumentHelp("The kit the sticks belong to, from vsmp kit create.", valueName: "folder"))
    var kit: String?

    @Option(parsing: .unconditional, help: NodeIndex.help("Index of this one stick's node in the kit. Default: all nodes, in their order."), transform: NodeIndex.parsed)
    var node: NodeIndex?

    @Option(help: "Refuse any disk but the one with this identity (vsmp usb list).")
    var identity: String?

    @Option(help: "Linux kernel of the guest, for the stick of node 0.")
    var kernel: String?

    @Option(help: "Initial RAM disk of the guest.")
    var initrd: String?

    @Option(help: "Command line of the guest.")
    var append: String?

    @Option(in: Limits.sliceMiB, unit: "MiB", help: "MiB of guest memory a node is home of.")
    var sliceMib: Int?

    @Option(in: Limits.cacheMiB, unit: "MiB", help: "MiB of copies of other nodes' pages a node keeps.")
    var cacheMib: Int?

    @Option(in: Limits.lentProcessors, unit: "processors", help: "Processors a node lends.")
    var processors: Int?

    @Option(help: "What a node does after a failure: poweroff or wait.")
    var onFailure: MachineConfiguration.FailureAction?

    @OptionGroup var start: StartOptions

    @OptionGroup var allowed: PortOptions

    @OptionGroup var log: LogOption

    @Flag(help: "Check everything and say what would happen to each stick; write nothing.")
    var dryRun = false

    @Flag(help: "Print the reports as JSON, one array.")
    var json = false

    func validate() throws {
        guard node == nil || kit != nil else { throw ValidationError("--node belongs to --kit") }
        guard targets.count == 1 || (kit != nil && node == nil) else {
            throw ValidationError("several sticks are those of one --kit, without --node")
        }
        // Other spellings of one stick are found when the targets are looked at.
        guard Set(targets).count == targets.count else { throw ValidationError("a stick is named twice") }
        guard targets.count == 1 || identity == nil else { throw ValidationError("--identity is of one stick") }
        let personal: [Any?] = [kernel, initrd, append, sliceMib, cacheMib, processors, onFailure]
        guard kit != nil || personal.allSatisfy({ $0 == nil }) else {
            throw ValidationError("guest and node options need --kit")
        }
        guard kernel != nil || (initrd == nil && append == nil) else {
            throw ValidationError("--initrd and --append need --kernel")
        }
        guard kernel == nil || node == nil || node == 0 else { throw ValidationError("the guest is on the stick of node 0") }
        guard identity == nil || expectedIdentity != nil else {
            throw ValidationError("--identity is SIZE:SERIAL@PORT as vsmp usb list prints it")
        }
    }

    func run() throws {
        try reportingErrors {
            let station = try allowed.stationFile()
            try StickLogbook.keeping(dryRun ? nil : log.path(station), "write", targets, station: station) { book in
                try write(StickWriter(image: image, rules: allowed.rules(station)), book)
            }
        }
    }

    private func write(_ writer: StickWriter, _ book: StickLogbook?) throws {
        if let warning = writer.image.warning { printError("vsmp: \(warning)") }
        let firmware = try ImageReader(writer.image)
        try book?.take(firmware)
        let kit = try self.kit.map { folder throws(ProvisioningError) in try KitCommand.open(folder) }
        try kit?.check(against: firmware, at: start.time)
        let jobs = zip(targets, try personalisations(kit)).map { StickJob($0, personalisation: $1, expected: expectedIdentity) }
        for job in jobs { book?.take(job.personalisation, for: job.target) }
        let isWhole = jobs.count == kit?.nodes
        for word in try kit?.compare(with: firmware, all: isWhole) ?? [] { printError("vsmp: \(word)") }
        if dryRun {
            let plans = try writer.check(jobs)
            if json { return try printJSON(plans) }
            for plan in plans { StandardOutput.print(plan.summary) }
            return StandardOutput.print("nothing was written")
        }
        let progress = ProgressPrinter()
        defer { progress.pause() }
        let outcomes = try writer.write(
            jobs, progress: { progress.show($0, $1) },
            finished: { outcome in
                book?.end(outcome)
                guard case .failure(let error) = outcome.result else { return }
                progress.pause(ending: outcome.target)
                for line in error.description.split(separator: "\n") { printError("vsmp: \(outcome.target): \(line)") }
            }, stop: book?.stop)
        progress.pause()
        let reports = outcomes.compactMap { try? $0.result.get() }
        // In the order in which they were named, whichever was ready first.
        if json { try printJSON(reports) } else { for report in reports { describe(report, kit, firmware.manifest) } }
        if let kit, let folder = self.kit, !reports.isEmpty { try kit.recording(firmware, all: isWhole).writeRecord(to: folder) }
        for outcome in outcomes {
            guard case .failure(let error) = outcome.result else { continue }
            if outcomes.count > 1 { printError("vsmp: \(reports.count) of \(outcomes.count) sticks were written and verified; write the others again") }
            throw ExitCode(error.exitStatus.rawValue)
        }
    }

    private func describe(_ report: StickReport, _ kit: Kit?, _ manifest: ImageManifest) {
        let target = report.target
        if manifest.purpose == .development { StandardOutput.print("\(target): holds a DEVELOPMENT IMAGE, which is not for customers") }
        StandardOutput.print("\(target): \(report.bytes >> 20) MiB written and verified, SHA-256 \(report.sha256)")
        if let kit, let node = report.node {
            StandardOutput.print("\(target): stick \(node.position + 1) of \(kit.nodes) of \(kit.id)")
        } else {
            StandardOutput.print("\(target): not personalised; it joins no machine until it is written with --kit")
        }
    }

    private var expectedIdentity: BlockDevice.Identity? { identity.flatMap { BlockDevice.Identity($0) } }

    /// One for each target.
    private func personalisations(_ kit: Kit?) throws -> [StickPersonalisation?] {
        guard let kit else { return [nil] }
        guard node != nil || targets.count == kit.nodes else {
            throw ProvisioningError.failed(.usage, "\(kit.id) has \(kit.nodes) sticks, \(targets.count) are named; name all of them, or one with --node")
        }
        return (node.map { [$0] } ?? NodeIndex.all(of: kit.nodes)).map { node in
            StickPersonalisation(
                kit: kit, node: node, sliceMiB: sliceMib, cacheMiB: cacheMib, processors: processors,
                onFailure: onFailure,
                guest: node == 0 ? kernel.map { .init(kernel: $0, initrd: initrd, commandLine: append ?? "") } : nil)
        }
    }
}

extension StickPlan {
    fileprivate var summary: String {
        let what =
            switch kind {
            case .newFile: "a new file"
            case .file: "a file that is a stick's image already"
            case .disk: "the disk \([model, serial].compactMap(\.self).joined(separator: ", "))"
            }
        let lost = replaced.isEmpty ? "" : "; it loses \(replaced.map { $0.isEmpty ? "a partition" : $0 }.joined(separator: ", "))"
        let stick = node.flatMap { node in kit.map { "stick \(node.position + 1) of \($0)" } } ?? "not personalised"
        return "\(target): \(what)\(lost); it would get \(bytes >> 20) MiB of \(image), \(stick)"
    }
}
