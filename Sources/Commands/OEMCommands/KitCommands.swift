package import ArgumentParser
internal import BoardSupport
internal import Foundation
internal import Provisioning
internal import Platform

/// `vsmp kit`: sets of boards that become one machine.
package struct KitCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "kit", abstract: "Make what the sticks of one machine share (docs/sticks.md).",
            subcommands: [Create.self])
    }

    package init() {}

    struct Create: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Make a kit: a new cluster key and the licence, in a folder readable for its owner only.",
                discussion: "The edition development has no licence and is for development images; its kits need --nodes.")
        }

        @Option(help: "The edition that is sold, or development.")
        var edition: String

        @Option(help: ArgumentHelp("The licence, from vsmp license issue.", valueName: "file"))
        var license: String?

        @Option(help: ArgumentHelp("A deny list that goes along.", valueName: "file"))
        var denyList: String?

        @Option(help: "Boards in the machine. Default: what the edition has, if that is one number.")
        var nodes: Int?

        @Option(help: ArgumentHelp("The folder to make; it must not exist.", valueName: "folder"))
        var out: String

        @Flag(help: "Print JSON for a program; the key is never printed.")
        var json = false

        /// What `--json` prints.
        private struct Made: Encodable {
            var kit: String
            var folder: String
            var nodes: Int
            var edition: String
        }

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
                            edition: edition, nodes: nodes, licence: LicenseFiles.bytes(license), denyList: denyList.map { try LicenseFiles.bytes($0) })
                    } else {
                        try Kit.create(nodes: nodes ?? 0)
                    }
                try kit.write(to: out)
                if json { return try printJSON(Made(kit: kit.id, folder: out, nodes: kit.nodes, edition: edition)) }
                StandardOutput.print("\(out): \(kit.id), \(edition), \(kit.nodes) node(s); keep it secret: it holds the cluster key")
            }
        }
    }
}
