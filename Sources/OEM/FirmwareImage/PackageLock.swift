import Bytes
import Contract
public import Foundation
internal import BoardSupport

/// One package of a lock: which bytes exactly, and which source package they were built from.
public struct LockedPackage: Hashable, Sendable {
    public let name: String
    /// Debian version, epoch included (deb-version(7)).
    public let version: String
    public let architecture: String
    /// SHA-256 of the .deb file.
    public let digest: ContentDigest
    public let source: String
    public let sourceVersion: String

    public init(
        name: String, version: String, architecture: String, digest: ContentDigest, source: String,
        sourceVersion: String
    ) {
        self.name = name
        self.version = version
        self.architecture = architecture
        self.digest = digest
        self.source = source
        self.sourceVersion = sourceVersion
    }
}

/// What goes into an image besides this SDK's own files: the wishes a person wrote, and the packages they resolved to.
///
/// The text form has one item a line, in stable order, so that a change of the lock is a readable difference:
///
///     want linux-image-amd64
///     package linux-image-6.1.0-1-amd64 6.1.1-1 amd64 <sha256> linux-signed-amd64 6.1.1+1
///     source linux-signed-amd64 6.1.1+1 <sha256> linux-signed-amd64_6.1.1+1.dsc
///
/// `#` starts a comment line. A wish that names a kernel's meta package stands for the kernel it depends on.
public struct PackageLock: Equatable, Sendable {
    /// Comment lines at the top, kept when the lock is rewritten.
    public var comments: [String]
    public var wishes: [String]
    public private(set) var packages: [LockedPackage]
    /// The files of the packages' source packages, if they were locked.
    public internal(set) var sources: [SourceFile]
    public internal(set) var blobs: [VendorBlob]

    public init(
        comments: [String] = [], wishes: [String], packages: [LockedPackage], sources: [SourceFile] = [], blobs: [VendorBlob] = []
    ) {
        self.blobs = blobs.sorted()
        self.sources = sources.sorted()
        self.comments = comments
        self.wishes = wishes.sorted()
        self.packages = packages.sorted { $0.name < $1.name }
    }

    /// Parses a lock's text; `origin` names it in errors.
    public init(text: String, origin: String) throws(ImageError) {
        var comments: [String] = []
        var wishes: [String] = []
        var packages: [LockedPackage] = []
        var sources: [SourceFile] = []
        var blobs: [VendorBlob] = []
        for line in try InputText(input: text.utf8, place: origin).lines {
            if line.text.hasPrefix("#") {
                comments.append(line.text)
                continue
            }
            let fields = line.text.split(separator: " ").map(String.init)
            if fields.isEmpty { continue }
            if fields[0] == "want", fields.count == 2, Self.isPackageName(fields[1]) {
                wishes.append(fields[1])
            } else if fields[0] == "package", fields.count == 7, Self.isPackageName(fields[1]),
                let digest = ContentDigest(fields[4])
            {
                packages.append(
                    LockedPackage(
                        name: fields[1], version: fields[2], architecture: fields[3], digest: digest,
                        source: fields[5], sourceVersion: fields[6]))
            } else if let file = SourceFile(fields: fields) {
                sources.append(file)
            } else if let blob = VendorBlob(fields: fields, keyword: "blob") {
                blobs.append(blob)
            } else {
                throw ImageError(
                    .badInput,
                    "\(origin):\(line.number): expected \"want NAME\", \"source NAME VERSION SHA256 FILE\", "
                        + "\"blob PATH SHA256\" or \"package NAME VERSION ARCHITECTURE SHA256 "
                        + "SOURCE SOURCE-VERSION\", found \"\(printable(line.text))\"")
            }
        }
        self.init(comments: comments, wishes: wishes, packages: packages, sources: sources, blobs: blobs)
        if let duplicate { throw ImageError(.badInput, "\(origin): package \(duplicate) is locked twice") }
    }

    /// What both lock, for an image that is made of both.
    ///
    /// - Throws: `badInput` when they lock different builds of one package.
    public func joined(with other: PackageLock) throws(ImageError) -> PackageLock {
        let joined = PackageLock(
            comments: comments, wishes: Array(Set(wishes + other.wishes)), packages: Array(Set(packages + other.packages)),
            sources: Array(Set(sources + other.sources)), blobs: Array(Set(blobs + other.blobs)))
        if let twice = joined.duplicate {
            throw ImageError(.badInput, "two locks name different builds of \(twice): run vsmp image lock --update for both")
        }
        return joined
    }

    /// A package that is locked twice; nil when there is none.
    private var duplicate: String? { zip(packages, packages.dropFirst()).first { $0.name == $1.name }?.0.name }

    public init(contentsOf file: URL) throws(ImageError) {
        try self.init(text: try InputText(file: file).text, origin: file.path)
    }

    /// Replaces the lock at `file` in one step.
    public func write(to file: URL) throws(ImageError) {
        try replace(file) { partial throws(ImageError) in try FirmwareImage.write(Data(text.utf8), to: partial) }
    }

    public var text: String {
        let lines =
            comments + wishes.map { "want \($0)" }
            + packages.map {
                "package \($0.name) \($0.version) \($0.architecture) \($0.digest) \($0.source) \($0.sourceVersion)"
            } + sources.map(\.line) + blobs.map { "blob \($0.path) \($0.digest)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The one package whose name starts with `prefix`.
    public func package(named prefix: String, purpose: String) throws(ImageError) -> LockedPackage {
        let matches = packages.filter { $0.name == prefix || (prefix.hasSuffix("-") && $0.name.hasPrefix(prefix)) }
        guard matches.count == 1, let match = matches.first else {
            throw ImageError(
                .badInput,
                "the lock names \(matches.count) packages \"\(prefix)\" and \(purpose) needs exactly one; "
                    + "run vsmp image lock --update")
        }
        return match
    }

    /// Debian policy 5.6.7: lower-case letters, digits, plus, minus and full stop.
    static func isPackageName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first != 0x2d, first != 0x2e else { return false }
        return name.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || [0x2b, 0x2d, 0x2e].contains($0)
        }
    }
}
