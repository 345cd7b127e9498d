import Contract
public import Foundation
internal import BoardSupport

/// What a build computed before, so that the next one need not: unpacked packages and packed archives. It makes builds faster and nothing else:
/// every entry is compared with its digest when it is read, a damaged one is made anew, and a folder that cannot be written is not used. Several
/// builds may use one at a time.
public struct BuildCache: Sendable {
    public let root: URL
    /// Entries that no build has used for so long are removed.
    static let keptFor: TimeInterval = 30 * 86400

    public init(root: URL) { self.root = root }

    /// The content that `key` stands for: from the cache if it is there and right, else made and kept.
    ///
    /// - Parameters:
    ///   - key: everything that decides the content.
    ///   - isRight: what else must hold of an entry, beside its digest.
    func content(
        for key: String, isRight: (Data) -> Bool, make: () throws(ImageError) -> Data
    ) throws(ImageError) -> Data {
        let place = root.appendingPathComponent("packed").appendingPathComponent(ContentDigest(of: Data(key.utf8)).description)
        if let content = Self.entry(place), isRight(content) {
            Self.touch(place)
            return content
        }
        let content = try make()
        keep(place) { partial throws(ImageError) in try write(Data(Self.head(content).utf8) + content, to: partial) }
        return content
    }

    /// The folder of a package's files, unpacked by `extract` if it is not there or damaged.
    ///
    /// - Returns: nil when it cannot be kept, whatever the reason: then the caller unpacks it elsewhere.
    func tree(of digest: ContentDigest, extract: (URL) throws(ImageError) -> Void) -> URL? {
        let place = root.appendingPathComponent("unpacked").appendingPathComponent(digest.description)
        let files = place.appendingPathComponent("files")
        for _ in 0..<2 {
            // It appears complete, so what is there and wrong is damaged.
            if FileManager.default.fileExists(atPath: place.path) {
                if let stated = Self.entry(place.appendingPathComponent("index")), stated == (try? Self.index(of: files)) {
                    Self.touch(place)
                    return files
                }
                try? FileManager.default.removeItem(at: place)
            }
            let isKept = keep(place) { partial throws(ImageError) in
                let folder = partial.appendingPathComponent("files")
                try write(Data(), to: partial.appendingPathComponent("index"))
                try extract(folder)
                let index = try Self.index(of: folder)
                try write(Data(Self.head(index).utf8) + index, to: partial.appendingPathComponent("index"))
            }
            if isKept { return files }
            guard FileManager.default.fileExists(atPath: place.path) else { return nil }
        }
        return nil
    }

    /// Removes what no build has used for long.
    func prune(now: Date = Date()) {
        for kind in ["packed", "unpacked"] {
            let folder = root.appendingPathComponent(kind)
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] {
                let entry = folder.appendingPathComponent(name)
                let used = (try? FileManager.default.attributesOfItem(atPath: entry.path))?[.modificationDate] as? Date
                if let used, now.timeIntervalSince(used) > Self.keptFor { try? FileManager.default.removeItem(at: entry) }
            }
        }
    }

    // MARK: Entries

    static func head(_ content: Data) -> String { "vsmp-cache 1 \(ContentDigest(of: content))\n" }

    /// What stands in the file behind its digest; nil when it is not there or the digest is not that of it.
    private static func entry(_ file: URL) -> Data? {
        guard let data = try? read(file), let end = data.firstIndex(of: 0x0A) else { return nil }
        let content = Data(data[(end + 1)...])
        return data[...end] == Data(head(content).utf8) ? content : nil
    }

    /// Every file with its digest and every link with its target, sorted.
    static func index(of folder: URL) throws(ImageError) -> Data {
        var lines: [String] = []
        let manager = FileManager.default
        do {
            for path in try manager.subpathsOfDirectory(atPath: folder.path).sorted() {
                let file = folder.appendingPathComponent(path)
                switch try manager.attributesOfItem(atPath: file.path)[.type] as? FileAttributeType {
                case .typeSymbolicLink?: lines.append("link \(try manager.destinationOfSymbolicLink(atPath: file.path)) \(path)\n")
                case .typeDirectory?: lines.append("folder \(path)\n")
                default: lines.append("file \(try ContentDigest(ofFile: file)) \(path)\n")
                }
            }
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(.inputOutput, "cannot read \(folder.path): \(error.localizedDescription)")
        }
        return Data(lines.joined().utf8)
    }

    /// Makes an entry under another name and gives it its place in one step. Another build may have been faster; what cannot be kept is not kept.
    ///
    /// - Returns: whether it was made and kept.
    @discardableResult
    private func keep(_ place: URL, _ make: (URL) throws(ImageError) -> Void) -> Bool {
        do {
            try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            try replace(place, make)
            return true
        } catch {
            return false
        }
    }

    private static func touch(_ entry: URL) { try? FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: entry.path) }
}
