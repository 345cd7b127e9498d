package import ArgumentParser
internal import Provisioning

/// `vsmp kit`: sets of boards that become one machine.
package struct KitCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "kit", abstract: "Make the key of a set of boards (docs/sticks.md).",
            subcommands: [Create.self])
    }

    package init() {}

    struct Create: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Make a kit file with a new cluster key, readable for its owner only.")
        }

        @Option(help: "Boards in the machine.")
        var nodes: Int

        @Argument(help: "The file to make; it must not exist.")
        var file: String

        @Flag(help: "Print JSON for a program; the key is never printed.")
        var json = false

        func run() throws {
            try reportingErrors {
                let kit = try Kit.create(nodes: nodes)
                try kit.write(to: file)
                if json { return try printJSON(["kit": kit.id, "file": file, "nodes": String(kit.nodes)]) }
                print("made \(kit.id) for \(kit.nodes) node(s) in \(file); keep it secret: it holds the cluster key")
            }
        }
    }
}
