import Contract
public import Foundation
internal import BoardSupport

/// A vendor's file that a device's driver loads, as a lock's line `blob PATH SHA-256` gives it. No archive offers it: a board maker
/// gets it from the vendor and puts it into the store.
public struct VendorBlob: Hashable, Sendable, Comparable {
    /// In the root file system, below lib/firmware.
    public let path: String
    public let digest: ContentDigest

    /// `nil` unless `path` is a plain path below lib/firmware.
    public init?(path: String, digest: ContentDigest) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let arePlain = parts.allSatisfy { part in
            !part.isEmpty && !part.hasPrefix(".")
                && part.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || "+-._".utf8.contains($0)
                }
        }
        guard parts.count >= 3, parts[0] == "lib", parts[1] == "firmware", arePlain else { return nil }
        self.path = path
        self.digest = digest
    }

    /// Reads the words `KEYWORD PATH SHA-256`.
    init?(fields: [String], keyword: String) {
        guard fields.count == 3, fields[0] == keyword, let digest = ContentDigest(fields[2]) else { return nil }
        self.init(path: fields[1], digest: digest)
    }

    public static func < (left: Self, right: Self) -> Bool { left.path < right.path }
}

extension PackageLock {
    /// Locks the file at `file` as the vendor's file `path`, in place of another one of that path, and puts it into the store.
    public mutating func addBlob(_ path: String, file: URL, to store: PackageStore) throws(ImageError) {
        let digest = try ContentDigest(ofFile: file)
        guard let blob = VendorBlob(path: path, digest: digest) else {
            throw ImageError(
                .badInput, "\(path) is no place for a vendor's file: expected a path below lib/firmware/ of letters, digits and + - . _")
        }
        let scratch = try Scratch("blob")
        let copy = scratch.url.appendingPathComponent("blob")
        // The store takes what it is given; the vendor's file stays where it is.
        try FirmwareImage.write(try read(file), to: copy)
        try store.insert(copy, digest: digest, as: path)
        blobs = (blobs.filter { $0.path != path } + [blob]).sorted()
    }
}

extension ImageBuilder {
    var missingBlobs: [VendorBlob] { lock.blobs.filter { !store.contains($0.digest) } }

    /// Adds the vendor's files, and the mark of those that are missing. A release image may lack none.
    func addBlobs(to archive: inout NewcArchive) throws(ImageError) {
        let missing = missingBlobs
        guard missing.isEmpty || purpose == .development else {
            throw ImageError(
                .blobMissing, "a release image may lack no vendor's file, and the store \(store.root.path) has no "
                    + missing.map(\.path).joined(separator: ", ") + ": get it from its vendor and run vsmp image lock --blob PATH=FILE")
        }
        for blob in lock.blobs where !missing.contains(blob) {
            let place = store.location(of: blob.digest)
            let content = try read(place)
            guard ContentDigest(of: content) == blob.digest else {
                throw ImageError(.inputOutput, "\(place.path) (\(blob.path)) is damaged: delete it and run vsmp image lock --blob again")
            }
            archive.add(blob.path, .file(content, permissions: 0o644))
        }
        if !missing.isEmpty {
            let list = missing.map { "\($0.path) \($0.digest)\n" }.joined()
            archive.add(.missingBlobs, list.utf8)
        }
    }
}
