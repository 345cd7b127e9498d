import Contract
import ArgumentParser
import CommandParsing
internal import FirmwareImage
internal import Foundation
internal import Platform

extension ImageCommand {
    struct Bundle: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Make the file by which a running machine takes a newer firmware.",
                discussion: "vsmp machine update BUNDLE, on any node of the machine, puts it into the free bank of every node's stick (docs/images.md, \"Two banks\").")
        }

        @Argument(help: "The image, from vsmp image build with a higher --image-version.")
        var image: String

        @Option(name: .shortAndLong, help: ArgumentHelp("The bundle to write.", valueName: "file"))
        var output: String

        func run() throws {
            try reportingErrors {
                let reader = try ImageReader(try openedImage(image))
                let bytes = try reader.bundle()
                try writeFile(Data(bytes), to: output)
                let manifest = reader.manifest
                StandardOutput.print("\(output): version \(manifest.version), firmware hash \(manifest.firmwareHash), \((bytes.count + (1 << 20) - 1) >> 20) MiB")
            }
        }
    }
}
