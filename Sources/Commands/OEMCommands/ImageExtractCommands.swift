import CommandParsing
internal import ArgumentParser
internal import BoardSupport
internal import FirmwareImage
internal import Foundation
internal import Platform

extension ImageCommand {
    struct Extract: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Write files of an image into a new folder: boot files to boot, root files to root.")
        }

        @Argument(help: "The image, or the stick that holds it.", completion: .file())
        var image: String
        @Argument(help: "Files or folders as ls --files shows them, root files with their slash (default: everything).")
        var paths: [String] = []
        @Option(name: .shortAndLong, help: ArgumentHelp("The folder to make; nothing is overwritten.", valueName: "folder"))
        var output: String

        func run() throws {
            try reportingErrors {
                let result = try ImageReader(try openedImage(image)).extract(paths, to: URL(fileURLWithPath: output))
                for path in result.leftOut { printError("vsmp: left out \(path), a device") }
                StandardOutput.print("\(output): \(result.written.count) files of \(image)")
            }
        }
    }

    struct Diff: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Say what differs between two images; ends with 0 when nothing does, else with 1.")
        }

        @Argument(help: "An image, or the stick that holds it.", completion: .file())
        var first: String
        @Argument(help: "The image to compare it with.", completion: .file())
        var second: String
        @Flag(help: "Print JSON for a program.")
        var json = false

        func run() throws {
            var differences: [ImageDifference] = []
            try reportingErrors {
                let images = (try ImageReader(try openedImage(first)), try ImageReader(try openedImage(second)))
                differences = try images.0.differences(from: images.1)
                if json { return try printJSON(differences) }
                if differences.isEmpty { StandardOutput.print("the same firmware: \(images.0.manifest.firmwareHash)") }
                for difference in differences {
                    StandardOutput.print(([difference.kind.rawValue] + [difference.name].compactMap(\.self)).joined(separator: " "))
                    StandardOutput.print("    \(Self.text(difference.first))  \(first)")
                    StandardOutput.print("    \(Self.text(difference.second))  \(second)")
                }
            }
            if !differences.isEmpty { throw ExitCode(1) }
        }

        private static func text(_ side: ImageDifference.Side?) -> String {
            guard let side else { return "not there" }
            return [side.value, side.bytes.map { "\($0) bytes" }, side.sha256].compactMap(\.self).joined(separator: ", ")
        }
    }
}
