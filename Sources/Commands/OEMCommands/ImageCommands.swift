import Contract
package import ArgumentParser
import CommandParsing
internal import BoardSupport
internal import Disk
internal import FirmwareImage
internal import Foundation
internal import StickState
internal import Platform

/// `vsmp image`: lock what goes in, build, look inside, verify.
package struct ImageCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "image", abstract: "Build firmware images and look into them (docs/images.md).",
            subcommands: [
                Lock.self, Build.self, Contents.self, Extract.self, Verify.self, Diff.self, Digests.self, Attach.self, Bundle.self, Sources.self,
            ])
    }

    package init() {}

    struct StoreOptions: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "Folder of the package store (default: VSMP_STORE, else ~/.cache/vsmp/store).", valueName: "folder"))
        var store: String?

        @Option(help: ArgumentHelp("The lock: which packages exactly.", valueName: "file"))
        var lock = "firmware/packages.lock"

        var packageStore: PackageStore {
            store.map { PackageStore(root: URL(fileURLWithPath: $0)) } ?? PackageStore.standard()
        }
        var lockFile: URL { URL(fileURLWithPath: lock) }
    }

    struct Lock: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Download what the lock names into the store; with --update, lock what apt offers now.")
        }

        @OptionGroup var options: StoreOptions
        @Flag(help: "Resolve the lock's wishes anew, download, and rewrite the lock.")
        var update = false
        @Flag(help: "Lock and download the packages' source code, too (for the kernel about 140 MB).")
        var sources = false
        @Option(
            help: ArgumentHelp(
                "Lock a vendor's file and put it into the store: its path in the root file system, below lib/firmware, and the file.",
                valueName: "path=file"))
        var blob: [String] = []

        func validate() throws {
            guard blob.allSatisfy({ $0.dropFirst().contains("=") }) else { throw ValidationError("--blob is PATH=FILE") }
        }

        func run() throws {
            try reportingErrors {
                let source = AptSource()
                var lock = try PackageLock(contentsOf: options.lockFile)
                let before = lock
                for blob in blob {
                    let pair = blob.split(separator: "=", maxSplits: 1).map(String.init)
                    try lock.addBlob(pair[0], file: URL(fileURLWithPath: pair.last ?? ""), to: options.packageStore)
                }
                if !blob.isEmpty { try lock.write(to: options.lockFile) }
                if update { lock = try lock.updated(from: source) }
                guard !lock.packages.isEmpty else {
                    throw ImageError(
                        .badInput, "\(options.lock) locks no package yet: run vsmp image lock --update --lock \(options.lock)")
                }
                try options.packageStore.fetch(lock, from: source) { printError("vsmp: \($0)") }
                let archive = sources ? try AptSourceArchive() : nil
                if let archive { lock = try lock.withSources(from: archive, store: options.packageStore) }
                if update || sources, lock != before {
                    try lock.write(to: options.lockFile)
                    let old = Set(before.packages)
                    for package in lock.packages where !old.contains(package) {
                        StandardOutput.print("locked \(package.name) \(package.version)")
                    }
                }
                // The lock is written before: which source code belongs to it is known even where this archive lacks it.
                if let archive {
                    try options.packageStore.fetchSources(lock, from: archive) { printError("vsmp: \($0)") }
                    StandardOutput.print("\(lock.sources.count) source files of \(options.lock) are in \(options.packageStore.root.path)")
                }
                StandardOutput.print("\(lock.packages.count) packages of \(options.lock) are in \(options.packageStore.root.path)")
            }
        }
    }

    struct Build: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Build an image from the lock and the store; needs no network and no root.")
        }

        @OptionGroup var options: StoreOptions
        @Option(help: ArgumentHelp("Name of a board, or its folder.", valueName: "board"))
        var board: String
        @Option(help: ArgumentHelp("Folder that holds one folder for each board.", valueName: "folder"))
        var boardsPath = "boards"
        @Option(help: ArgumentHelp("Folder of the brand.", valueName: "folder"))
        var brand = "firmware/brands/default"
        @Option(help: ArgumentHelp("Folder with init, cmdline, grub.cfg and modules.conf.", valueName: "folder"))
        var firmware = "firmware"
        @Option(help: ArgumentHelp("The node's executable, statically linked.", valueName: "file"))
        var vsmpd: String
        @Option(name: .shortAndLong, help: ArgumentHelp("The image to write.", valueName: "file"))
        var output: String
        @Option(in: 1...UInt32.max, help: "Which of two images is newer: higher in what is shipped later.", valueName: "number")
        var imageVersion: UInt32 = 1
        @Option(in: 1...1 << 30, unit: "MiB", help: "The most that the image may have; a larger one is not written.", valueName: "MiB")
        var sizeLimit: Int?
        @Option(
            in: ImageLayout.configurationSizes.lowerBound >> 20...ImageLayout.configurationSizes.upperBound >> 20, unit: "MiB",
            help: "Room for a stick's personalisation and guest (default: 96); usb write makes more where the guest needs it and the stick has it.",
            valueName: "MiB")
        var configSize: Int?
        @Option(
            in: 0...63, help: "Once this image has started a machine, boards with a TPM refuse images with a lower one (docs/images.md, \"Going back\").",
            valueName: "N")
        var rollbackCounter = 0
        @Option(help: ArgumentHelp("Whose licences the image accepts: the root key of vsmp license issue root, and a deny list behind it.", valueName: "file"))
        var licenseRoot: String?
        @Option(help: ArgumentHelp("When the image is built, as in 2027-01-31T12:00:00Z: no clock before that is believed. A release image needs it.", valueName: "time"))
        var built: String?
        @OptionGroup var signing: SigningOptions
        @Flag(help: "Compute everything anew instead of using what earlier builds left in the store's folder cache; the image is the same.")
        var noCache = false
        @Flag(help: "Print JSON for a program.")
        var json = false

        func validate() throws {
            guard built == nil || licenseRoot != nil else { throw ValidationError("--built goes with --license-root") }
            guard licenseRoot == nil || built != nil || signing.purpose == .development else {
                throw ValidationError("a release image with --license-root needs --built, as in --built \"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"")
            }
        }

        func run() throws {
            try reportingErrors {
                let compiled =
                    board.contains("/")
                    ? try Board.load(directory: board) : try BoardCatalogue(path: boardsPath).load(board)
                var builder = ImageBuilder(
                    firmwareFolder: URL(fileURLWithPath: firmware), board: BoardContents(compiled),
                    brand: try Brand(folder: URL(fileURLWithPath: brand)), vsmpd: URL(fileURLWithPath: vsmpd),
                    lock: try PackageLock(contentsOf: options.lockFile), store: options.packageStore)
                if compiled.board.hasSubnetManager {
                    builder.lock = try builder.lock.joined(with: try PackageLock(contentsOf: builder.firmwareFolder.appendingPathComponent("subnet-manager.lock")))
                }
                builder.licensing = try licenseRoot.map { try LicensingRoot(Data(try LicenseFiles.bytes($0)), place: $0, built: built) }
                builder.sizeLimit = sizeLimit.map { $0 << 20 }
                if let configSize { builder.configurationSize = configSize << 20 }
                if noCache { builder.cache = nil }
                builder.rollbackCounter = RollbackCounter(rollbackCounter) ?? .zero
                builder.purpose = signing.purpose
                builder.version = imageVersion
                builder.signer = try signing.signer()
                let manifest = try builder.build(to: URL(fileURLWithPath: output)) { printError("vsmp: \($0)") }
                if json {
                    try printJSON(ImageSummary(manifest))
                } else {
                    StandardOutput.print("\(output): \(manifest.brand) for \(manifest.board), version \(manifest.version), kernel \(manifest.kernelRelease)")
                    StandardOutput.print("\(manifest.purpose.rawValue) image, \(builder.signer.map { "signed by \($0.certificate)" } ?? "not signed")")
                    StandardOutput.print("firmware hash \(manifest.firmwareHash)")
                }
                guard manifest.missingBlobs.isEmpty else {
                    throw ImageError(
                        .blobMissing, "\(output) is written and lacks \(manifest.missingBlobs.map(\.path).joined(separator: ", ")): get it "
                            + "from its vendor, run vsmp image lock --blob PATH=FILE and build again")
                }
            }
        }
    }

    struct Contents: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(commandName: "ls", abstract: "List what an image holds.")
        }

        @Argument(help: "The image, or the stick that holds it.", completion: .file())
        var image: String
        @Option(
            help: ArgumentHelp("Which bank of a stick: a or b (default: the newest firmware that is not bad).", valueName: "bank"),
            transform: {
                guard let bank = Bank(rawValue: $0) else { throw ValidationError("a stick has the banks a and b") }
                return bank
            })
        var bank: Bank?
        @Flag(help: "List the files of the root file system, too.")
        var files = false
        @Flag(help: "Print JSON for a program.")
        var json = false

        func run() throws {
            try reportingErrors {
                let reader = try ImageReader(try openedImage(image), bank: bank)
                let rootFiles = files ? try reader.rootFiles() : [:]
                if json { return try printJSON(ImageSummary(reader.manifest, reader, rootFiles)) }
                let manifest = reader.manifest
                StandardOutput.print("firmware hash  \(manifest.firmwareHash)")
                StandardOutput.print("version        \(manifest.version)")
                StandardOutput.print("purpose        \(manifest.purpose.rawValue)")
                StandardOutput.print("brand          \(manifest.brand)")
                StandardOutput.print("board          \(manifest.board)")
                StandardOutput.print("kernel         \(manifest.kernelRelease)")
                StandardOutput.print("command line   \(manifest.commandLine)")
                StandardOutput.print("rollback       counter \(manifest.rollbackCounter)")
                for partition in reader.partitionTable.partitions {
                    StandardOutput.print("partition \(partition.number)    \(partition.name), \(partition.size >> 20) MiB")
                }
                for (bank, tries) in reader.banks.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                    StandardOutput.print("bank \(bank.rawValue)         \(tries.summary)\(bank == reader.bank ? ", shown here" : "")")
                }
                for loader in manifest.loaders { StandardOutput.print("boot loader    \(loader.name), \(loader.length) bytes, \(loader.digest)") }
                for part in manifest.parts { StandardOutput.print("hashed part    \(part.name), \(part.length) bytes, \(part.digest)") }
                for blob in manifest.missingBlobs { StandardOutput.print("missing blob   /\(blob.path), \(blob.digest)") }
                for file in manifest.files { StandardOutput.print("boot file      \(file.name), \(file.length) bytes, \(file.digest)") }
                for package in manifest.packages {
                    StandardOutput.print("package        \(package.name) \(package.version), source \(package.source) \(package.sourceVersion)")
                }
                for input in manifest.inputs { StandardOutput.print("input          \(input.name), \(input.length) bytes, \(input.digest)") }
                for tool in manifest.tools { StandardOutput.print("tool           \(tool.name) \(tool.version)") }
                for (path, length) in rootFiles.sorted(by: { $0.key < $1.key }) { StandardOutput.print("root file      /\(path), \(length) bytes") }
            }
        }
    }

    struct Verify: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Check that an image is whole, who signed it, and with --release that it may be shipped.")
        }

        @Argument(help: "The image, or the stick that holds it.", completion: .file())
        var image: String
        @Option(help: ArgumentHelp("Who must have signed it: an X.509 certificate, PEM.", valueName: "file"))
        var certificate: String?
        @Flag(help: "Also refuse what must not leave the house: development keys, shells, passwords, open boot menus, secrets, no vendor's root key.")
        var release = false

        @Flag(help: "Print JSON for a program; the exit status is the same.")
        var json = false

        func run() throws {
            try reportingErrors {
                let wanted = try certificate.map { path throws(ImageError) in try SigningCertificate(file: URL(fileURLWithPath: path)) }
                let file = try openedImage(image)
                let banks = try ImageReader(file).banks
                var verdicts: [ImageVerdict] = []
                for bank in Bank.allCases where banks[bank] != nil {
                    let name = banks.count == 1 ? image : "\(image), bank \(bank.rawValue)"
                    let verdict = try ImageVerdict(try ImageReader(file, bank: bank), named: name, release: release, wanted)
                    verdicts.append(verdict)
                    if !json { verdict.show() }
                }
                if json { try printJSON(verdicts) }
                let problems = verdicts.flatMap(\.problems)
                guard problems.isEmpty else { throw ImageError(.badInput, problems.joined(separator: "\n")) }
            }
        }
    }
}

/// What `vsmp image verify` found of one bank, whole already.
private struct ImageVerdict: Encodable {
    struct Signer: Encodable {
        let subject, sha256: String
    }

    let image: String
    let bank: Bank
    let firmwareHash: String
    let version: UInt32
    let purpose: ImagePurpose
    let signers: [Signer]
    /// Whether it was asked if it may be shipped, and what speaks against that.
    let release: Bool
    let findings: [ReleaseFinding]
    /// What ends the command; none when all is well.
    let problems: [String]

    init(_ reader: ImageReader, named name: String, release: Bool, _ wanted: SigningCertificate?) throws(ImageError) {
        image = name
        bank = reader.bank
        self.release = release
        let found: [SigningCertificate]
        if release {
            (found, findings) = try reader.verifyRelease(certificate: wanted)
            let count = "\(findings.count) reason\(findings.count == 1 ? "" : "s")"
            problems = findings.isEmpty ? [] : findings.map(\.description) + ["\(name) must not be shipped: \(count)"]
        } else {
            found = try reader.verify()
            findings = []
            let signed = found.isEmpty ? "not signed" : "signed by \(found.map(\.description).joined(separator: "; "))"
            problems = wanted.map { found.contains($0) ? [] : ["\(name) is \(signed), not by \($0)"] } ?? []
        }
        firmwareHash = reader.manifest.firmwareHash.description
        version = reader.manifest.version
        purpose = reader.manifest.purpose
        signers = found.map { Signer(subject: $0.subject, sha256: $0.fingerprint.description) }
    }

    func show() {
        guard problems.isEmpty else { return }
        StandardOutput.print("\(image): whole, \(purpose.rawValue), firmware hash \(firmwareHash)")
        StandardOutput.print(signers.isEmpty ? "not signed" : signers.map { "signed by \($0.subject), SHA-256 \($0.sha256)" }.joined(separator: "\n"))
    }
}

extension BootTries {
    var summary: String {
        switch self {
        case .good: "good"
        case .left(0): "bad"
        case .left(let count): "new, \(count) start\(count == 1 ? "" : "s") left"
        }
    }
}

/// What `--json` prints about an image.
private struct ImageSummary: Encodable {
    struct Item: Encodable {
        var name: String
        var bytes: UInt64
        var sha256: String?
    }

    var firmwareHash: String
    var version: UInt32
    var banks: [String: String]?
    var purpose: ImagePurpose
    var brand: String
    var board: String
    var kernel: String
    var commandLine: String
    var rollbackCounter: Int
    var parts: [Item]
    var loaders: [Item]
    var bootFiles: [Item]
    var partitions: [Item]?
    var inputs: [Item]
    var packages: [String: String]
    var tools: [String: String]
    var missingBlobs: [String]
    var rootFiles: [String: Int]?

    init(_ manifest: ImageManifest, _ reader: ImageReader? = nil, _ rootFiles: [String: Int] = [:]) {
        firmwareHash = manifest.firmwareHash.description
        version = manifest.version
        banks = reader.map { Dictionary(uniqueKeysWithValues: $0.banks.map { ($0.key.rawValue, $0.value.summary) }) }
        loaders = manifest.loaders.map { Item(name: $0.name, bytes: UInt64($0.length), sha256: $0.digest.description) }
        purpose = manifest.purpose
        brand = manifest.brand
        board = manifest.board
        kernel = manifest.kernelRelease
        commandLine = manifest.commandLine
        rollbackCounter = manifest.rollbackCounter.value
        func items(_ parts: [ImageManifest.Part]) -> [Item] {
            parts.map { Item(name: $0.name, bytes: UInt64($0.length), sha256: $0.digest.description) }
        }
        parts = items(manifest.parts)
        bootFiles = items(manifest.files)
        inputs = items(manifest.inputs)
        missingBlobs = manifest.missingBlobs.map(\.path)
        tools = Dictionary(manifest.tools.map { ($0.name, $0.version) }, uniquingKeysWith: { first, _ in first })
        partitions = reader?.partitionTable.partitions.map { Item(name: $0.name, bytes: UInt64($0.size)) }
        packages = Dictionary(manifest.packages.map { ($0.name, $0.version) }, uniquingKeysWith: { first, _ in first })
        self.rootFiles = rootFiles.isEmpty ? nil : rootFiles
    }
}
