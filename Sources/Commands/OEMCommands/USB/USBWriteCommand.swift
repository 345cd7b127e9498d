import ArgumentParser
import BoardSupport
import CommandParsing
import Contract
import FirmwareImage
import Foundation
import Platform
import Provisioning
import USB

/// `vsmp usb write`: sticks from an image.
struct USBWriteCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "write", abstract: "Write an image to sticks or plain files, read them back and compare.",
            discussion: """
                With --kit the sticks become those of a kit, numbered in the order in which they are named, or of the slots of --station when none is \
                named: all of them, or with --node one. \
                Without it a stick carries the image alone and joins no machine. Before the first stick is written the kit's licence is held against the \
                image as the boards will: what they would refuse is not written, and the status is 85.
                """)
    }

    @Argument(help: "The image, from vsmp image build.")
    var image: String

    @Argument(help: "Whole disks such as /dev/sdb, or plain files. None: what is in the slots of --station, in their order.")
    var targets: [String] = []

    @Option(help: ArgumentHelp("The kit the sticks belong to, from vsmp kit create. Without named sticks several: the first one's are in the first slots.", valueName: "folder"))
    var kit: [String] = []

    @Option(parsing: .unconditional, help: NodeIndex.help("Index of this one stick's node in the kit. Default: all nodes, in their order."), transform: NodeIndex.parsed)
    var node: NodeIndex?

    @Option(help: "Refuse any disk but the one with this identity (vsmp usb list).")
    var identity: String?

    @OptionGroup var personal: PersonalOptions

    @OptionGroup var start: StartOptions

    @OptionGroup var allowed: PortOptions

    @OptionGroup var log: LogOption

    @Option(help: ArgumentHelp("Write the label of each verified stick here, as the station file's label: has it; - is standard output.", valueName: "file"))
    var label: String?

    @Flag(help: "Check everything and say what would happen to each stick; write nothing.")
    var dryRun = false

    @Flag(help: "Print the reports as JSON, one array.")
    var json = false

    func validate() throws {
        guard node == nil || !kit.isEmpty else { throw ValidationError("--node belongs to --kit") }
        if targets.isEmpty {
            guard !kit.isEmpty, allowed.station != nil else { throw ValidationError("name the sticks, or with --kit and --station write what is in the station's slots") }
            guard node == nil, identity == nil else { throw ValidationError("--node and --identity are of one stick: name it") }
            guard Set(kit).count == kit.count else { throw ValidationError("a kit is named twice") }
        } else {
            guard kit.count <= 1 else { throw ValidationError("several kits are written to the slots of a --station: name no sticks") }
            guard targets.count == 1 || (!kit.isEmpty && node == nil) else { throw ValidationError("several sticks are those of one --kit, without --node") }
            // Other spellings of one stick are found when the targets are looked at.
            guard Set(targets).count == targets.count else { throw ValidationError("a stick is named twice") }
            guard targets.count == 1 || identity == nil else { throw ValidationError("--identity is of one stick") }
        }
        guard !kit.isEmpty || !personal.isGiven else { throw ValidationError("guest and node options need --kit") }
        guard personal.kernel == nil || node == nil || node == 0 else { throw ValidationError("the guest is on the stick of node 0") }
        guard identity == nil || expectedIdentity != nil else {
            throw ValidationError("--identity is SIZE:SERIAL@PORT as vsmp usb list prints it")
        }
        guard label != "-" || !json else { throw ValidationError("--label - and --json both want standard output") }
    }

    func run() throws {
        try reportingErrors {
            let station = try allowed.stationFile()
            let rules = allowed.rules(station)
            guard targets.isEmpty, let station else {
                return try StickLogbook.keeping(logPath(station), .write, targets, station: station) { book in
                    let kits = try kit.map { folder throws(ProvisioningError) in try KitCommand.open(folder) }
                    try write(StickWriter(image: image, rules: rules), kits, try named(kits), station, book)
                }
            }
            let kits = try kit.map { folder throws(ProvisioningError) in try KitCommand.open(folder) }
            guard Set(kits.map(\.id)).count == kits.count else { throw ProvisioningError.failed(.usage, "two of the kits are one and the same") }
            let inventory: SlotInventory
            do throws(USBError) { inventory = try SlotInventory() } catch { throw ProvisioningError.failed(.unavailable, "the slots cannot be looked at: \(error)") }
            let places = try SlotAssignment(kits, station, inventory).places
            for place in places { printError("vsmp: slot \(place.slot.label): \(place.target) becomes stick \(place.node.position + 1) of \(kits[place.kit].nodes) of \(kits[place.kit].id)") }
            try StickLogbook.keeping(logPath(station), .write, places.map(\.target), station: station) { book in
                let sticks = places.map { (StickJob($0.target, personalisation: personal.personalisation(kits[$0.kit], $0.node)), Int?.some($0.kit)) }
                try write(StickWriter(image: image, rules: rules), kits, sticks, station, book)
            }
        }
    }

    private func logPath(_ station: StationFile?) -> String? { dryRun ? nil : log.path(station) }

    /// - Parameters:
    ///   - sticks: each with the number of its kit among `kits`.
    private func write(_ writer: StickWriter, _ kits: [Kit], _ sticks: [(job: StickJob, kit: Int?)], _ station: StationFile?, _ book: StickLogbook?) throws {
        if let warning = writer.image.warning { printError("vsmp: \(warning)") }
        let firmware = try ImageReader(writer.image)
        try book?.take(firmware)
        for kit in kits { try kit.check(against: firmware, at: start.time) }
        let jobs = sticks.map(\.job)
        for word in Set(try jobs.compactMap { try $0.personalisation?.checkMemory(against: firmware) }).sorted() { printError("vsmp: \(word)") }
        for job in jobs { book?.take(job.personalisation, for: job.target) }
        // Of which kit the image is a stick.
        let source = WrittenStick(of: firmware).kit
        for kit in kits {
            let isWhole = sticks.count { $0.job.personalisation?.kit.id == kit.id } == kit.nodes
            for word in try kit.compare(with: firmware, all: isWhole, isOwn: source == kit.id) { printError("vsmp: \(word)") }
        }
        let plans = try writer.check(jobs)
        for plan in plans {
            if let slowness = plan.speed?.slowness(in: plan.port.flatMap { station?.slot(at: $0) }) { printError("vsmp: \(plan.target): \(slowness)") }
        }
        if dryRun {
            if json { return try printJSON(plans) }
            for plan in plans { StandardOutput.print(plan.summary) }
            return StandardOutput.print("nothing was written")
        }
        let labels = label.map { _ in StickLabels(jobs, firmware.manifest, station) }
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
        if json { try printJSON(reports) } else { for report in reports { describe(report, kits, firmware.manifest) } }
        if let label, let labels { try writeFile(Data(labels.text(for: outcomes).utf8), to: label) }
        for (index, (kit, folder)) in zip(kits, self.kit).enumerated() {
            let own = zip(sticks, outcomes).filter { $0.0.kit == index }
            let written = own.count { (try? $0.1.result.get()) != nil }
            guard written > 0 || node == nil else { continue }
            if written > 0 { try kit.recording(firmware, all: own.count == kit.nodes, isOwn: source == kit.id).writeRecord(to: folder) }
            guard node == nil else { continue }
            if written == kit.nodes {
                say("\(kit.id): the kit is whole, \(written) of \(written) sticks are verified")
            } else {
                for (stick, outcome) in own where (try? outcome.result.get()) == nil {
                    let node = stick.job.personalisation?.node ?? 0
                    printError(
                        "vsmp: \(kit.id): the kit is NOT whole: stick \(node.position + 1) of \(kit.nodes) (\(outcome.target)) failed; "
                            + "write it alone with --kit \(folder) --node \(node)")
                }
            }
        }
        for outcome in outcomes {
            guard case .failure(let error) = outcome.result else { continue }
            if outcomes.count > 1 { printError("vsmp: \(reports.count) of \(outcomes.count) sticks were written and verified; write the others again") }
            throw ExitCode(error.exitStatus.rawValue)
        }
    }

    /// Reports leave standard output to a label, or to JSON.
    private func say(_ text: String) { if label == "-" || json { printError("vsmp: \(text)") } else { StandardOutput.print(text) } }

    private func describe(_ report: StickReport, _ kits: [Kit], _ manifest: ImageManifest) {
        let target = report.target
        if manifest.purpose == .development { say("\(target): holds a DEVELOPMENT IMAGE, which is not for customers") }
        say("\(target): \(report.bytes >> 20) MiB written and verified, SHA-256 \(report.sha256)")
        if let kit = kits.first(where: { $0.id == report.kit }), let node = report.node {
            say("\(target): stick \(node.position + 1) of \(kit.nodes) of \(kit.id)")
        } else {
            say("\(target): not personalised; it joins no machine until it is written with --kit")
        }
    }

    private var expectedIdentity: BlockDevice.Identity? { identity.flatMap { BlockDevice.Identity($0) } }

    /// The sticks that were named.
    private func named(_ kits: [Kit]) throws -> [(StickJob, Int?)] {
        guard let kit = kits.first else { return targets.map { (StickJob($0, expected: expectedIdentity), nil) } }
        guard node != nil || targets.count == kit.nodes else {
            throw ProvisioningError.failed(.usage, "\(kit.id) has \(kit.nodes) sticks, \(targets.count) are named; name all of them, or one with --node")
        }
        return zip(targets, node.map { [$0] } ?? NodeIndex.all(of: kit.nodes)).map { target, node in
            (StickJob(target, personalisation: personal.personalisation(kit, node), expected: expectedIdentity), 0)
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
