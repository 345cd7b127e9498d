internal import Platform
internal import Contract
public import Foundation
internal import BoardSupport

/// One file of a source package, as a lock's line `source NAME VERSION SHA-256 FILE` gives it.
public struct SourceFile: Hashable, Sendable, Comparable {
    /// Source package and its Debian version.
    public let source: String
    public let version: String
    /// SHA-256 of the file.
    public let digest: ContentDigest
    /// The file's name in Debian's archive.
    public let name: String

    /// `nil` unless `name` is a plain file name: Debian's letters, digits and `+ - . ~ _ % :`, no leading full stop.
    public init?(source: String, version: String, digest: ContentDigest, name: String) {
        let isPlain = name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || "+-.~_%:".utf8.contains($0)
        }
        guard PackageLock.isPackageName(source), isPlain, !name.isEmpty, !name.hasPrefix("."), Self.isVersion(version) else { return nil }
        self.source = source
        self.version = version
        self.digest = digest
        self.name = name
    }

    /// Reads the words of a line, `source` included.
    init?(fields: [String]) {
        guard fields.count == 5, fields[0] == "source", let digest = ContentDigest(fields[3]) else { return nil }
        self.init(source: fields[1], version: fields[2], digest: digest, name: fields[4])
    }

    var line: String { "source \(source) \(version) \(digest) \(name)" }

    public static func < (left: Self, right: Self) -> Bool {
        (left.source, left.version, left.name) < (right.source, right.version, right.name)
    }

    /// deb-version(7).
    private static func isVersion(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.first != 0x2e
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || "+-.~:".utf8.contains($0)
            }
    }
}

/// A source package that must be there for what is given on.
public struct SourcePackage: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let name: String
    public let version: String

    public var description: String { "\(name) \(version)" }

    public static func < (left: Self, right: Self) -> Bool { (left.name, left.version) < (right.name, right.version) }

    /// Reads Debian's field Built-Using: `linux (= 6.1.1-1), glibc (= 2.36-9)`.
    static func list(_ field: String) -> [SourcePackage] {
        field.split(whereSeparator: { $0 == "," || $0.isNewline }).compactMap { item in
            let words = item.split(whereSeparator: { " ()=".contains($0) }).map(String.init)
            return words.count == 2 ? SourcePackage(name: words[0], version: words[1]) : nil
        }
    }
}

/// Where source packages come from. The tests pass their own; `AptSourceArchive` is what a workstation uses.
public protocol SourceArchive {
    /// The files of exactly that version.
    func files(of source: SourcePackage) throws(ImageError) -> [SourceFile]
    /// Puts these files into `directory`. The caller checks their digests.
    func download(_ source: SourcePackage, into directory: URL) throws(ImageError)
}

extension PackageLock {
    /// The lock with the files of every source package of its packages; those it names already are kept as they are.
    public func withSources(from archive: some SourceArchive, store: PackageStore) throws(ImageError) -> PackageLock {
        var lock = self
        lock.sources = []
        for source in try store.sources(of: packages) {
            let known = sources.filter { $0.source == source.name && $0.version == source.version }
            lock.sources += known.isEmpty ? try archive.files(of: source) : known
        }
        lock.sources.sort()
        return lock
    }
}

extension PackageStore {
    /// What the packages were built from: their source packages, and what was linked into them (Built-Using).
    public func sources(of packages: [LockedPackage]) throws(ImageError) -> [SourcePackage] {
        var sources: Set<SourcePackage> = []
        for package in packages {
            sources.insert(SourcePackage(name: package.source, version: package.sourceVersion))
            sources.formUnion(try builtUsing(package))
        }
        return sources.sorted()
    }

    /// Debian's fields Built-Using and Static-Built-Using of a package that is in the store.
    func builtUsing(_ package: LockedPackage) throws(ImageError) -> [SourcePackage] {
        let fields = try HostProgram("dpkg-deb").data(["-f", try file(for: package).path, "Built-Using", "Static-Built-Using"])
        let record = AptSource.record(String(decoding: fields, as: UTF8.self))
        return ["Built-Using", "Static-Built-Using"].flatMap { SourcePackage.list(record[$0] ?? "") }.sorted()
    }

    /// Downloads the source files that the lock names and the store lacks; what one archive lacks keeps nothing else from being
    /// fetched, and is an error at the end. Returns the source packages that were downloaded.
    @discardableResult
    public func fetchSources(
        _ lock: PackageLock, from archive: some SourceArchive, progress: (String) -> Void = { _ in }
    ) throws(ImageError) -> [SourcePackage] {
        let missing = Set(lock.sources.filter { !contains($0.digest) }.map { SourcePackage(name: $0.source, version: $0.version) })
        var problems: [ImageError] = []
        for source in missing.sorted() {
            let scratch = try Scratch("source")
            progress("downloading the source of \(source)")
            do throws(ImageError) {
                try archive.download(source, into: scratch.url)
            } catch {
                problems.append(error)
                continue
            }
            for file in lock.sources where file.source == source.name && file.version == source.version {
                try insert(scratch.url.appendingPathComponent(file.name), digest: file.digest, as: "\(source): \(file.name)")
            }
        }
        if let first = problems.first {
            throw ImageError(first.exitStatus, problems.map(\.description).joined(separator: "\n"))
        }
        return missing.sorted()
    }

    /// Writes the source files to `folder/NAME_VERSION/`, each checked. The folder appears in one step.
    ///
    /// - Parameters:
    ///   - needed: the source packages that must be there.
    ///   - remedy: what to do when something is missing.
    /// - Throws: `sourceMissing` that names every source package which is not there.
    public func writeSources(
        _ files: [SourceFile], needed: [SourcePackage], to folder: URL, remedy: String, relinkKit: RelinkKit? = nil
    ) throws(ImageError) {
        let lacking = needed.filter { source in
            let own = files.filter { $0.source == source.name && $0.version == source.version }
            return !own.contains { $0.name.hasSuffix(".dsc") } || !own.allSatisfy { contains($0.digest) }
        }
        guard lacking.isEmpty, !files.isEmpty else {
            throw ImageError(
                .sourceMissing, "the source code of \(lacking.map(\.description).joined(separator: ", ")) is not in the store \(root.path): "
                    + "what is built from it must not be given on without; \(remedy)")
        }
        try makeFolder(folder) { partial throws(ImageError) in
            for file in files {
                let place = location(of: file.digest)
                guard try ContentDigest(ofFile: place) == file.digest else {
                    throw ImageError(.inputOutput, "\(place.path) (\(file.name)) is damaged: delete it and run vsmp image lock --sources")
                }
                // An epoch's colon is no letter for every file system.
                let package = "\(file.source)_\(file.version.replacingOccurrences(of: ":", with: "%3a"))"
                let target = partial.appendingPathComponent(package).appendingPathComponent(file.name)
                do {
                    try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
                    try FileManager.default.copyItem(at: place, to: target)
                } catch {
                    throw ImageError(.cannotCreate, "cannot write \(target.path): \(error.localizedDescription)")
                }
            }
            try relinkKit?.write(into: partial)
        }
    }
}
