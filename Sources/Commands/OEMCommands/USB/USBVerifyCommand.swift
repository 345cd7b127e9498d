import ArgumentParser
import CommandParsing
import Contract
import FirmwareImage
import Platform
import Provisioning

/// `vsmp usb verify`: what a stick holds against what it should hold.
struct USBVerifyCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "verify", abstract: "Read sticks back and compare them with their image and kit; nothing is written.",
            discussion: """
                What use changes may differ: the starts that boot counting left, the bank that the machine chose, a newer firmware in the other bank (which must be \
                whole), and what the node remembers. Everything else must be as vsmp usb write makes it; else the status is 97 and each difference is named.
                """)
    }

    @Argument(help: "The image that the sticks were written from, or that was last installed.")
    var image: String

    @Argument(help: "Sticks such as /dev/sdb, or the plain files of sticks.")
    var targets: [String]

    @Option(help: ArgumentHelp("The kit the sticks belong to: compares name, key, licence and deny list.", valueName: "folder"))
    var kit: String?

    @Option(parsing: .unconditional, help: NodeIndex.help("Index of the node whose stick this one must be. Default: the stick's own word."), transform: NodeIndex.parsed)
    var node: NodeIndex?

    @Option(help: "Linux kernel of the guest that node 0 must have; without it no guest is compared.")
    var kernel: String?

    @Option(help: "Initial RAM disk of the guest.")
    var initrd: String?

    @Option(help: "Command line of the guest.")
    var append: String?

    @OptionGroup var log: LogOption

    @Flag(help: "Print the reports as JSON, one array; the exit status is the same.")
    var json = false

    func validate() throws {
        guard node == nil || (kit != nil && targets.count == 1) else { throw ValidationError("--node is of one stick, and belongs to --kit") }
        guard kernel == nil || kit != nil else { throw ValidationError("--kernel belongs to --kit") }
        guard kernel != nil || (initrd == nil && append == nil) else { throw ValidationError("--initrd and --append need --kernel") }
    }

    func run() throws {
        try reportingErrors {
            try StickLogbook.keeping(log.path(nil), .verify, targets, station: nil, verifyAll)
        }
    }

    private func verifyAll(_ book: StickLogbook?) throws {
        let opened = try openedImage(image)
        try book?.take(ImageReader(opened))
        let verification = try StickVerification(image: opened)
        let kit = try self.kit.map { folder throws(ProvisioningError) in try KitCommand.open(folder) }
        let guest = kernel.map { StickPersonalisation.GuestPayload(kernel: $0, initrd: initrd, commandLine: append ?? "") }
        let progress = ProgressPrinter()
        defer { progress.pause() }
        let results = verification.verify(targets.map { StickVerification.Job($0, kit: kit, node: node, guest: guest) }, progress: { progress.show($0, $1) })
        progress.pause()
        if json { try printJSON(results.compactMap { try? $0.get() }) }
        for (target, result) in zip(targets, results) {
            switch result {
            case .success(let report):
                if !json { show(report, kit) }
                let message = report.differences.isEmpty ? nil : report.differences.map { "\($0)" }.joined(separator: "\n")
                book?.end(target, message == nil ? .verified : .differs, message: message, bytes: report.bytes)
            case .failure(let error):
                for line in error.description.split(separator: "\n") { printError("vsmp: \(target): \(line)") }
                book?.end(target, error.verdict, message: error.description)
            }
        }
        for result in results {
            switch result {
            case .success(let report): if !report.differences.isEmpty { throw ExitCode(ExitStatus.stickDiffers.rawValue) }
            case .failure(let error): throw ExitCode(error.exitStatus.rawValue)
            }
        }
    }

    private func show(_ report: StickVerification.Report, _ kit: Kit?) {
        let target = report.target
        for note in report.notes { StandardOutput.print("\(target): \(note)") }
        for difference in report.differences { printError("vsmp: \(target): \(difference)") }
        guard report.differences.isEmpty else {
            return printError("vsmp: \(target): \(report.differences.count) difference\(report.differences.count == 1 ? "" : "s"); write the stick again, or name its image and kit")
        }
        let firmware = report.isAsWritten ? "firmware and boot code are as they were written" : "firmware and boot code are whole, and the stick was used or updated"
        let who = kit.flatMap { kit in report.node.map { "; stick \($0.position + 1) of \(kit.nodes) of \(kit.id)" } } ?? ""
        StandardOutput.print("\(target): right: \(report.bytes >> 20) MiB read from the medium, \(firmware)\(who)")
    }
}
