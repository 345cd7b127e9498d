internal import ArgumentParser
internal import BoardSupport
internal import FirmwareImage
internal import Foundation
internal import Platform

extension ImageCommand {
    struct Sources: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Collect the source code that belongs to an image, or to a lock, from the store (docs/legal.md).")
        }

        @Argument(help: "The image, or the stick that holds it.", completion: .file())
        var image: String?
        @Option(help: ArgumentHelp("A lock instead of an image.", valueName: "file"))
        var lock: String?
        @Option(help: ArgumentHelp("Folder of the package store (default: VSMP_STORE, else ~/.cache/vsmp/store).", valueName: "folder"))
        var store: String?
        @Option(
            help: ArgumentHelp(
                "The release build that vsmpd comes from: with its objects and a script anyone can link it with a changed C library. "
                    + "Without image and lock only these are written.", valueName: ".build/release"))
        var vsmpdObjects: String?
        @Option(name: .shortAndLong, help: ArgumentHelp("The folder to make; nothing is overwritten.", valueName: "folder"))
        var output: String

        func validate() throws {
            guard image == nil || lock == nil, image != nil || lock != nil || vsmpdObjects != nil else {
                throw ValidationError("give either an image or --lock FILE, or --vsmpd-objects alone")
            }
        }

        func run() throws {
            try reportingErrors {
                let store = store.map { PackageStore(root: URL(fileURLWithPath: $0)) } ?? PackageStore.standard()
                let folder = URL(fileURLWithPath: output)
                let kit = try vsmpdObjects.map { path throws(ImageError) in try RelinkKit(buildFolder: URL(fileURLWithPath: path)) }
                guard image != nil || lock != nil else {
                    try kit?.write(to: folder)
                    return StandardOutput.print("\(output)/\(RelinkKit.folderName): what linking vsmpd again needs")
                }
                let files: [SourceFile]
                let needed: [SourcePackage]
                var remedy = "run vsmp image lock --sources"
                if let lock {
                    let lock = try PackageLock(contentsOf: URL(fileURLWithPath: lock))
                    (files, needed) = (lock.sources, try store.sources(of: lock.packages))
                } else {
                    let reader = try ImageReader(try openedImage(image ?? ""))
                    try reader.verify()
                    try kit?.check(against: reader)
                    (files, needed) = (reader.manifest.sources, try reader.neededSources())
                    if files.isEmpty { remedy += " and build the image again: it names no source files" }
                }
                try store.writeSources(files, needed: needed, to: folder, remedy: remedy, relinkKit: kit)
                for source in needed { StandardOutput.print("\(source.name) \(source.version)") }
                StandardOutput.print("\(output): \(files.count) files of \(needed.count) source packages\(kit == nil ? "" : ", and what linking vsmpd again needs")")
            }
        }
    }
}
