internal import Bytes
public import Contract
internal import Foundation
public import StickState

/// What an image says about itself, in the file MANIFEST.TXT of its bank: one `key value...` a line.
public struct ImageManifest: Equatable, Sendable {
    /// One part that the firmware hash covers.
    public struct Part: Equatable, Sendable {
        public let name: String
        /// In bytes, at most `maximumLength`.
        public let length: Int
        public let digest: ContentDigest

        init(name: String, length: Int, digest: ContentDigest) {
            self.name = name
            self.length = length
            self.digest = digest
        }

        init(_ name: String, _ content: Data) { self.init(name: name, length: content.count, digest: ContentDigest(of: content)) }
    }

    /// The most bytes of a part: what a file of FAT32 can have (Microsoft, "FAT: General Overview of On-Disk Format", DIR_FileSize).
    static let maximumLength = Int(UInt32.max)

    /// A program of the host that made the image.
    public struct Tool: Equatable, Sendable {
        public let name: String
        public let version: String
    }

    /// Hash, version and rollback counter.
    public let facts: FirmwareFacts
    public let purpose: ImagePurpose
    public let brand: String
    public let board: String
    public let kernelRelease: String
    public let commandLine: String
    /// What the firmware hash is made of, in its order.
    public let parts: [Part]
    /// The boot loaders that the image came with; both banks of a stick have them in common.
    public internal(set) var loaders: [Part]
    /// The other files of the bank, by name.
    public internal(set) var files: [Part]
    public private(set) var packages: [LockedPackage]
    /// The files of the packages' source packages, if the lock named them.
    public private(set) var sources: [SourceFile]
    /// What went in beside the packages.
    public let inputs: [Part]
    public let tools: [Tool]
    /// Vendors' files that the lock names and the image lacks.
    public let missingBlobs: [VendorBlob]

    public var firmwareHash: FirmwareHash { facts.hash }
    public var version: UInt32 { facts.version }
    public var rollbackCounter: RollbackCounter { facts.rollbackCounter }

    /// What the boot loaders show.
    static func title(brand: String, purpose: ImagePurpose) -> String {
        ([brand, "firmware"] + [purpose.mark].compactMap { $0 }).joined(separator: " ")
    }

    init(
        facts: FirmwareFacts, purpose: ImagePurpose, brand: String, board: String, kernelRelease: String,
        commandLine: String, parts: [Part], loaders: [Part], files: [Part], packages: [LockedPackage],
        sources: [SourceFile] = [], inputs: [Part] = [], tools: [Tool] = [],
        missingBlobs: [VendorBlob] = []
    ) {
        self.facts = facts
        self.purpose = purpose
        self.brand = brand
        self.board = board
        self.kernelRelease = kernelRelease
        self.commandLine = commandLine
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
        var lines = facts.lines + [
            "purpose \(purpose.rawValue)", "brand \(brand)", "board \(board)", "kernel \(kernelRelease)", "command-line \(commandLine)",
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
            parts.map { $0.name == name ? Part(name, content) : $0 }
        }
        var manifest = self
        manifest.loaders = replaced(loaders, BootFiles.loaderPath, loader)
        manifest.files = replaced(files, BootFiles.program, program)
        return manifest
    }

    /// Parses the manifest of an image; every line must be understood.
    ///
    /// - Throws: `inputOutput`: nobody writes this file by hand.
    public init(_ bytes: some Sequence<UInt8>, place: String = Bank.manifest) throws(ImageError) {
        var lock: [String] = []
        do throws(TextError) {
            var text = try ManifestText(bytes, place: place)
            let facts = try FirmwareFacts(&text)
            let purpose = try text.takeOnly("purpose", expected: "development or release") { ImagePurpose(rawValue: $0) }
            let (brand, board) = (try Self.word("brand", &text), try Self.word("board", &text))
            let (kernel, commandLine) = (try Self.word("kernel", &text), try text.takeOnly("command-line", expected: "the kernel's") { $0 })
            let (parts, loaders) = (try Self.parts("part", &text), try Self.parts("loader", &text))
            let (files, inputs) = (try Self.parts("file", &text), try Self.parts("input", &text))
            let tools = try Self.items("tool", &text, expected: "NAME VERSION") { $0.count == 2 ? Tool(name: $0[0], version: $0[1]) : nil }
            let blobs = try Self.items("missing-blob", &text, expected: "PATH SHA256") { VendorBlob(fields: ["blob"] + $0, keyword: "blob") }
            for keyword in ["package", "source"] { lock += text.take(keyword).map { "\(keyword) \($0.value)" } }
            try text.end()
            self.init(
                facts: facts, purpose: purpose, brand: brand, board: board, kernelRelease: kernel, commandLine: commandLine, parts: parts,
                loaders: loaders, files: files, packages: [], inputs: inputs, tools: tools, missingBlobs: blobs)
        } catch {
            throw ImageError(.inputOutput, error.description)
        }
        let packages = try PackageLock(text: lock.joined(separator: "\n"), origin: place)
        (self.packages, sources) = (packages.packages, packages.sources)
    }

    private static func word(_ keyword: String, _ text: inout ManifestText) throws(TextError) -> String {
        try text.takeOnly(keyword, expected: "a text") { $0.isEmpty ? nil : $0 }
    }

    private static func parts(_ keyword: String, _ text: inout ManifestText) throws(TextError) -> [Part] {
        try items(keyword, &text, expected: "NAME LENGTH SHA256") { fields in
            guard fields.count == 3, let length = BoundedNumber(0...maximumLength).value(of: fields[1]), let digest = ContentDigest(fields[2]) else { return nil }
            return Part(name: fields[0], length: length, digest: digest)
        }
    }

    private static func items<Item>(
        _ keyword: String, _ text: inout ManifestText, expected: String, _ read: ([String]) -> Item?
    ) throws(TextError) -> [Item] {
        var items: [Item] = []
        for line in text.take(keyword) {
            guard let item = read(line.value.split(separator: " ").map(String.init)) else { throw text.wrong(line, expected) }
            items.append(item)
        }
        return items
    }
}
