import ArgumentParser
import CommandParsing
import Contract
import FirmwareImage
import Foundation
import Platform
import Provisioning

/// `vsmp usb station`: writes kits all day, as sticks come and go.
struct USBStationCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "station", abstract: "Write kits at a station all day: plug sticks into its slots, pull them when it says so.",
            discussion: """
                The first kit gets the first slots, in their order. Each stick that is plugged in is checked, written and verified; one that fails is replaced \
                by the next one in its slot. When all sticks of a kit are verified its slots go to the next kit; when all kits are whole the command ends. A \
                stick that was plugged in before the start is not written until it is pulled and plugged in again, and one that holds a kit's stick already \
                only with --reuse. On a terminal each slot has a row; otherwise there is a line for each change.
                """)
    }

    @Argument(help: "The station file: its slots and makers are those that are allowed.", completion: .file())
    var station: String

    @Argument(help: "The image, from vsmp image build.", completion: .file())
    var image: String

    @Argument(help: "The kits' folders, from vsmp kit create, in the order in which they are written.", completion: .directory)
    var kits: [String]

    @Flag(help: "Write sticks that hold a kit's stick already, but none of these kits'.")
    var reuse = false

    @Flag(help: "Write kits anew whose sticks were written before.")
    var again = false

    @OptionGroup var personal: PersonalOptions

    @OptionGroup var start: StartOptions

    @OptionGroup var log: LogOption

    @Option(help: ArgumentHelp("Add the label of each verified stick to this file, or send it to this printer's device.", valueName: "file"))
    var label: String?

    @Flag(help: "Print JSON for a line controller, one object on each line.")
    var json = false

    func validate() throws {
        guard !kits.isEmpty else { throw ValidationError("name the kits that are to be written") }
        guard Set(kits.map(\.withoutTrailingSlashes)).count == kits.count else { throw ValidationError("a kit is named twice") }
        guard label != "-" else { throw ValidationError("--label is a file or a device here") }
    }

    func run() throws {
        try reportingErrors {
            let place = try StationFile(parsing: try LicenseFiles.bytes(station, atMost: 1 << 20), place: station)
            let writer = try StickWriter(image: image, rules: [place.rules])
            if let warning = writer.image.warning { printError("vsmp: \(warning)") }
            let firmware = try ImageReader(writer.image)
            let kits = try self.kits.map { folder in (folder: folder.withoutTrailingSlashes, kit: try KitCommand.open(folder)) }
            guard Set(kits.map(\.kit.id)).count == kits.count else { throw ProvisioningError.failed(.usage, "two of the kits are one and the same") }
            for (_, kit) in kits { try kit.check(against: firmware, at: start.time) }
            let verified = try verified(kits.map(\.kit), firmware, log.path(place))
            for (index, (_, kit)) in kits.enumerated() where verified[index].isEmpty {
                for word in try kit.compare(with: firmware, all: true) { printError("vsmp: \(word)") }
            }
            try StickLogbook.keeping(log.path(place), .station, [], station: place) { book in
                try book?.take(firmware)
                let worker = StationWorker(
                    writer, firmware.manifest, place, kits: Set(kits.map(\.kit.id)), reuse: reuse, label: label, book)
                try StationRun(place, firmware, kits, verified: verified, personal, worker, StationView(place.slots, kits.map(\.kit), isJSON: json)).run()
            }
        }
    }

    /// What the log knows of the kits' sticks that hold this firmware.
    ///
    /// - Throws: where sticks of a kit were written and nothing says which.
    private func verified(_ kits: [Kit], _ firmware: ImageReader, _ log: String?) throws -> [Set<NodeIndex>] {
        var verified = [Set<NodeIndex>](repeating: [], count: kits.count)
        guard !again else { return verified }
        if let log, FileStatus(log) != nil {
            let numbers = Dictionary(uniqueKeysWithValues: kits.enumerated().map { ($1.id, $0) })
            let check = try FactoryLog(log).verify { _, record in
                guard case .stick(let entry) = record.content, entry.verdict == .verified, entry.image?.firmware == firmware.manifest.firmwareHash, let kit = entry.kit,
                    let number = numbers[kit.id]
                else { return }
                verified[number].insert(kit.node)
            }
            guard check.findings.isEmpty else { throw ProvisioningError.failed(.badInput, "the factory log \(log) is not as it was written: see vsmp usb log verify \(log)") }
        }
        for (index, kit) in kits.enumerated() where verified[index].isEmpty && kit.sticks != nil {
            throw ProvisioningError.failed(
                .badInput, "sticks of \(kit.id) were written before, and no factory log says which: leave the kit out, give its --log, or write all of them anew with --again")
        }
        return verified
    }
}
