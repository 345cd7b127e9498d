package import ArgumentParser
import CommandParsing
import Contract
internal import BoardSupport
internal import Foundation
internal import Provisioning
internal import Platform

/// `vsmp kit`: sets of boards that become one machine.
package struct KitCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "kit", abstract: "Make what the sticks of one machine share (docs/sticks.md).",
            subcommands: [Create.self, Show.self, Renew.self])
    }

    package init() {}

    struct Create: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Make a kit: a new cluster key and the licence, in a folder readable for its owner only.",
                discussion: "A licence that the boards would refuse makes no kit: the status is 85. The edition development has no licence and is for development "
                    + "images; its kits need --nodes.")
        }

        @Option(help: "The edition that is sold, or development.")
        var edition: String

        @Option(help: ArgumentHelp("The licence, from vsmp license issue.", valueName: "file"))
        var license: String?

        @Option(help: ArgumentHelp("A deny list that goes along.", valueName: "file"))
        var denyList: String?

        @Option(in: Limits.nodes, help: "Boards in the machine. Default: what the edition has, if that is one number.")
        var nodes: Int?

        @Option(help: ArgumentHelp("The folder to make; it must not exist.", valueName: "folder"))
        var out: String

        @OptionGroup var start: StartOptions

        @Flag(help: "Print JSON for a program; the key is never printed.")
        var json = false

        func validate() throws {
            let isDevelopment = edition == "development"
            guard isDevelopment == (license == nil) else {
                throw ValidationError(isDevelopment ? "the edition development has no licence" : "edition \(edition) needs its --license")
            }
            guard !isDevelopment || (nodes != nil && denyList == nil) else { throw ValidationError("a kit of the edition development needs --nodes, and no --deny-list") }
        }

        func run() throws {
            try reportingErrors {
                let kit =
                    if let license {
                        try Kit.create(
                            edition: edition, nodes: nodes, licence: LicenseFiles.bytes(license), denyList: denyList.map { try LicenseFiles.bytes($0) },
                            at: start.time)
                    } else {
                        try Kit.create(nodes: nodes ?? 0)
                    }
                try kit.write(to: out)
                if json { return try printJSON(KitReport(folder: out, try kit.summary())) }
                StandardOutput.print("\(out): \(kit.id), \(edition), \(kit.nodes) node(s); keep it secret: it holds the cluster key")
            }
        }
    }

    struct Show: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Say what a kit is: its id, boards, edition and licence; the key is never printed.")
        }

        @Argument(help: "The kit's folder.", completion: .directory)
        var kit: String

        @Flag(help: "Print JSON for a program.")
        var json = false

        func run() throws {
            try reportingErrors {
                let summary = try KitCommand.open(kit).summary()
                if json { return try printJSON(KitReport(folder: kit, summary)) }
                StandardOutput.print("\(kit): \(summary.kit), \(summary.edition), \(summary.nodes) node(s)")
                StandardOutput.print(summary.licenceSentence)
                StandardOutput.print(summary.stickSentence)
            }
        }
    }

    struct Renew: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Give a kit another licence; its key, id and boards stay.",
                discussion: "The licence is checked as kit create does it, and the kit is not changed by one that its boards would refuse: the status is 85. Sticks that "
                    + "are written from now on carry it; for those that are written already there is vsmp license install.")
        }

        @Argument(help: "The kit's folder.", completion: .directory)
        var kit: String

        @Option(help: ArgumentHelp("The licence, from vsmp license issue --replaces.", valueName: "file"))
        var license: String

        @Option(help: ArgumentHelp("A deny list that goes along. Default: the kit's.", valueName: "file"))
        var denyList: String?

        @Option(help: "The licence's edition, where it is another than the kit's.")
        var edition: String?

        @OptionGroup var start: StartOptions

        func run() throws {
            try reportingErrors {
                let renewed = try KitCommand.open(kit).renewed(
                    licence: LicenseFiles.bytes(license), denyList: denyList.map { try LicenseFiles.bytes($0) }, edition: edition, at: start.time)
                try renewed.writeLicence(to: kit)
                let summary = try renewed.summary()
                StandardOutput.print("\(kit): \(summary.kit), \(summary.edition), \(summary.nodes) node(s); \(summary.licenceSentence)")
            }
        }
    }

    /// Reads a kit, and warns where others can.
    static func open(_ folder: String) throws(ProvisioningError) -> Kit {
        let kit = try Kit(folder: folder)
        warnWhenOthersCanRead(Kit.keyPath(in: folder))
        return kit
    }
}

extension KitSummary {
    fileprivate var licenceSentence: String {
        guard let licence else { return "no licence: for development images" }
        return "licence \(licence) for \(customer ?? ""), \(until.map { "until \($0.prefix(10))" } ?? "without an end")"
    }

    fileprivate var stickSentence: String {
        guard let firmware, let version else { return "no sticks were written yet, or it is not known with what" }
        return "sticks for \(board ?? "boards to be noted"), firmware \(firmware.short), version \(version)"
    }
}

/// A kit as `--json` has it.
private struct KitReport: Encodable {
    let folder: String
    let summary: KitSummary

    init(folder: String, _ summary: KitSummary) {
        self.folder = folder
        self.summary = summary
    }

    private enum Key: CodingKey { case folder }

    func encode(to encoder: any Encoder) throws {
        try summary.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(folder, forKey: .folder)
    }
}
