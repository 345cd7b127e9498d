internal import Platform
import Contract
public import Foundation
internal import BoardSupport

/// Files by the SHA-256 of their content: `ROOT/sha256/<64 hex digits>`. What is read from it is checked each time.
public struct PackageStore: Sendable {
    public let root: URL

    public init(root: URL) { self.root = root }

    /// `VSMP_STORE`, else `vsmp/store` in `XDG_CACHE_HOME` or `~/.cache`.
    public static func standard(environment: [String: String] = ProcessInfo.processInfo.environment) -> PackageStore {
        if let path = environment["VSMP_STORE"], !path.isEmpty {
            return PackageStore(root: URL(fileURLWithPath: path))
        }
        let cache =
            environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
            ?? (environment["HOME"] ?? "/tmp") + "/.cache"
        return PackageStore(root: URL(fileURLWithPath: cache).appendingPathComponent("vsmp/store"))
    }

    public func location(of digest: ContentDigest) -> URL {
        root.appendingPathComponent("sha256").appendingPathComponent(digest.description)
    }

    /// Whether a file of that name is there; its content is checked by `file(for:)`.
    public func contains(_ digest: ContentDigest) -> Bool {
        FileManager.default.fileExists(atPath: location(of: digest).path)
    }

    /// The package's file, its content checked against the lock.
    public func file(for package: LockedPackage) throws(ImageError) -> URL {
        guard contains(package.digest) else {
            throw ImageError(
                .missingInput,
                "\(package.name) \(package.version) is not in the store \(root.path): run vsmp image lock first")
        }
        let place = location(of: package.digest)
        let found = try ContentDigest(ofFile: place)
        guard found == package.digest else {
            throw ImageError(
                .inputOutput,
                "\(place.path) (\(package.name)) holds \(found) instead: delete it and run vsmp image lock")
        }
        return place
    }

    /// Moves `file` into the store after checking that it is the package the lock means.
    public func insert(_ file: URL, as package: LockedPackage) throws(ImageError) {
        try insert(file, digest: package.digest, as: "\(package.name) \(package.version)")
    }

    func insert(_ file: URL, digest: ContentDigest, as name: String) throws(ImageError) {
        let found = try ContentDigest(ofFile: file)
        guard found == digest else {
            throw ImageError(
                .inputOutput,
                "the download of \(name) has SHA-256 \(found), the lock says "
                    + "\(digest): nothing was stored; if the archive really changed, run vsmp image lock --update")
        }
        let place = location(of: digest)
        do {
            let manager = FileManager.default
            try manager.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            try replace(place) { partial throws(ImageError) in
                do { try manager.copyItem(at: file, to: partial) } catch {
                    throw ImageError(.cannotCreate, "cannot write \(place.path): \(error.localizedDescription)")
                }
            }
            try? manager.removeItem(at: file)
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(.cannotCreate, "cannot write \(place.path): \(error.localizedDescription)")
        }
    }

    /// Downloads what the lock names and the store lacks. Returns the packages that were downloaded.
    @discardableResult
    public func fetch(
        _ lock: PackageLock, from source: some PackageSource, progress: (String) -> Void = { _ in }
    ) throws(ImageError) -> [LockedPackage] {
        var fetched: [LockedPackage] = []
        for package in lock.packages where !contains(package.digest) {
            let scratch = try Scratch("download")
            progress("downloading \(package.name) \(package.version)")
            try insert(try source.download(package, into: scratch.url), as: package)
            fetched.append(package)
        }
        return fetched
    }

    /// Unpacks a package's files into `directory`.
    public func extract(_ package: LockedPackage, into directory: URL) throws(ImageError) {
        try HostProgram("dpkg-deb").data(["-x", try file(for: package).path, directory.path])
    }
}

extension PackageLock {
    /// The same wishes, resolved anew.
    public func updated(from source: some PackageSource) throws(ImageError) -> PackageLock {
        var packages: [LockedPackage] = []
        for wish in wishes { packages.append(try source.resolve(wish)) }
        let updated = PackageLock(comments: comments, wishes: wishes, packages: packages)
        // What was linked into other packages is not known before these are there: vsmp image lock --sources finds it.
        let kept = sources.filter { file in
            packages.contains { $0.source == file.source && $0.sourceVersion == file.version } || updated.packages == self.packages
        }
        return PackageLock(comments: comments, wishes: wishes, packages: packages, sources: kept, blobs: blobs)
    }
}
