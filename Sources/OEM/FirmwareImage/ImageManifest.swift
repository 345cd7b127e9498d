import Contract
public import BoardSupport
internal import Foundation

/// What an image says about itself, in the file MANIFEST.TXT of its bank: one `key value...` a line.
public struct ImageManifest: Equatable, Sendable {
    /// One part that the firmware hash covers.
    public struct Part: Equatable, Sendable {
        public let name: String
        /// In bytes, at most `maximumLength`.
        public let length: Int
        public let digest: ContentDigest
    }

    /// The most bytes of a part: what a file of FAT32 can have (Microsoft, "FAT: General Overview of On-Disk Format", DIR_FileSize).
    static let maximumLength = Int(UInt32.max)

    /// A program of the host that made the image.
    public struct Tool: Equatable, Sendable {
        public let name: String
        public let version: String
    }

    public let firmwareHash: ContentDigest
    /// Which of two images is newer. The maker counts.
    public let version: UInt32
    public let purpose: ImagePurpose
    public let brand: String
    public let board: String
    public let kernelRelease: String
    public let commandLine: String
    public let rollbackCounter: RollbackCounter
    /// What the firmware hash is made of, in its order.
    public let parts: [Part]
    /// The boot loaders that the image came with; both banks of a stick have them in common.
    public internal(set) var loaders: [Part]
    /// The other files of the bank, by name.
    public internal(set) var files: [Part]
    public let packages: [LockedPackage]
    /// The files of the packages' source packages, if the lock named them.
    public let sources: [SourceFile]
    /// What went in beside the packages.
    public let inputs: [Part]
    public let tools: [Tool]
    /// Vendors' files that the lock names and the image lacks.
    public let missingBlobs: [VendorBlob]

    /// What the boot loaders show.
    static func title(brand: String, purpose: ImagePurpose) -> String {
        ([brand, "firmware"] + [purpose.mark].compactMap { $0 }).joined(separator: " ")
    }

    init(
        firmwareHash: ContentDigest, version: UInt32, purpose: ImagePurpose, brand: String, board: String, kernelRelease: String,
        commandLine: String, rollbackCounter: RollbackCounter, parts: [Part], loaders: [Part], files: [Part], packages: [LockedPackage],
        sources: [SourceFile] = [], inputs: [Part] = [], tools: [Tool] = [],
        missingBlobs: [VendorBlob] = []
    ) {
        self.firmwareHash = firmwareHash
        self.version = version
        self.purpose = purpose
        self.brand = brand
        self.board = board
        self.kernelRelease = kernelRelease
        self.commandLine = commandLine
        self.rollbackCounter = rollbackCounter
        self.parts = parts
        self.loaders = loaders
        self.files = files
        self.packages = packages
        self.sources = sources
        self.inputs = inputs
        self.tools = tools
        self.missingBlobs = missingBlobs
    }

    var text: String {
        var lines = [
            "firmware-hash \(firmwareHash)", "version \(version)", "purpose \(purpose.rawValue)", "brand \(brand)", "board \(board)",
            "kernel \(kernelRelease)", "command-line \(commandLine)", "rollback-counter \(rollbackCounter)",
        ]
        lines += parts.map { "part \($0.name) \($0.length) \($0.digest)" }
        lines += loaders.map { "loader \($0.name) \($0.length) \($0.digest)" }
        lines += files.map { "file \($0.name) \($0.length) \($0.digest)" }
        lines += packages.map {
            "package \($0.name) \($0.version) \($0.architecture) \($0.digest) \($0.source) \($0.sourceVersion)"
        }
        lines += sources.map(\.line)
        lines += inputs.map { "input \($0.name) \($0.length) \($0.digest)" }
        lines += tools.map { "tool \($0.name) \($0.version)" }
        lines += missingBlobs.map { "missing-blob \($0.path) \($0.digest)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The same, of an image with other UEFI programs: boot loader and firmware.
    func replacing(loader: Data, program: Data) -> ImageManifest {
        func replaced(_ parts: [Part], _ name: String, _ content: Data) -> [Part] {
            parts.map { $0.name == name ? FirmwareHash.part(name, content) : $0 }
        }
        var manifest = self
        manifest.loaders = replaced(loaders, BootFiles.loaderPath, loader)
        manifest.files = replaced(files, BootFiles.program, program)
        return manifest
    }

    /// Parses the manifest of an image; every line must be understood.
    public init(text: String) throws(ImageError) {
        var single: [String: String] = [:]
        var parts: [Part] = []
        var loaders: [Part] = []
        var files: [Part] = []
        var inputs: [Part] = []
        var tools: [Tool] = []
        var missingBlobs: [VendorBlob] = []
        var packageLines: [String] = []
        for line in text.split(separator: "\n") {
            let pair = line.split(separator: " ", maxSplits: 1).map(String.init)
            let fields = line.split(separator: " ").map(String.init)
            switch pair.first {
            case "part" where fields.count == 4, "loader" where fields.count == 4, "file" where fields.count == 4, "input" where fields.count == 4:
                guard let length = Int(fields[2]), (0...Self.maximumLength).contains(length), let digest = ContentDigest(fields[3]) else {
                    throw ImageError(.inputOutput, "the manifest line \"\(line)\" holds no possible length and digest")
                }
                let part = Part(name: fields[1], length: length, digest: digest)
                switch fields[0] {
                case "part": parts.append(part)
                case "loader": loaders.append(part)
                case "file": files.append(part)
                default: inputs.append(part)
                }
            case "tool" where fields.count == 3: tools.append(Tool(name: fields[1], version: fields[2]))
            case "missing-blob":
                guard let blob = VendorBlob(fields: fields, keyword: "missing-blob") else { fallthrough }
                missingBlobs.append(blob)
            case "package", "source": packageLines.append(String(line))
            case "firmware-hash", "version", "purpose", "brand", "board", "kernel", "command-line", "rollback-counter":
                guard pair.count == 2, single.updateValue(pair[1], forKey: pair[0]) == nil else { fallthrough }
            default: throw ImageError(.inputOutput, "the manifest holds an unexpected line \"\(line)\"")
            }
        }
        let lock = try PackageLock(text: packageLines.joined(separator: "\n"), origin: "manifest")
        guard let hash = single["firmware-hash"].flatMap({ ContentDigest($0) }), let version = single["version"].flatMap({ UInt32($0) }),
            let purpose = single["purpose"].flatMap(ImagePurpose.init), let brand = single["brand"],
            let board = single["board"], let kernel = single["kernel"], let commandLine = single["command-line"],
            let counter = single["rollback-counter"].flatMap({ RollbackCounter($0) })
        else {
            throw ImageError(
                .inputOutput, "the manifest lacks firmware-hash, version, purpose, brand, board, kernel, command-line or rollback-counter, or "
                    + "one of them is no such thing: build the image again")
        }
        self.init(
            firmwareHash: hash, version: version, purpose: purpose, brand: brand, board: board, kernelRelease: kernel,
            commandLine: commandLine, rollbackCounter: counter, parts: parts, loaders: loaders, files: files, packages: lock.packages,
            sources: lock.sources, inputs: inputs, tools: tools,
            missingBlobs: missingBlobs)
    }
}
