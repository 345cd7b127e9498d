internal import Contract
internal import BoardSupport
internal import Disk
internal import Foundation

/// One thing in which two images differ.
public struct ImageDifference: Equatable, Sendable, Encodable {
    public enum Kind: String, Sendable, Encodable {
        case firmwareHash = "firmware-hash"
        case version
        case purpose, brand, board, kernel
        case commandLine = "command-line"
        case rollbackCounter = "rollback-counter"
        case partition, part, loader
        case bootFile = "boot-file"
        case rootFile = "root-file"
        case package, input, tool
    }

    /// How one image has it.
    public struct Side: Equatable, Sendable, Encodable {
        public var value: String?
        public var bytes: Int?
        public var sha256: String?
    }

    public let kind: Kind
    /// Which file, part, package or partition; nil where an image has only one such thing.
    public let name: String?
    /// Nil where the image has no such thing.
    public let first: Side?
    public let second: Side?
}

extension ImageReader {
    /// What differs between this image and `other`, in a fixed order; nothing when they hold the same firmware. Both are
    /// verified first, so that what their manifests say is what they hold. `VSMP-CONFIG` is not looked into.
    public func differences(from other: ImageReader) throws(ImageError) -> [ImageDifference] {
        let (first, second) = (try inventory(), try other.inventory())
        return Set(first.keys).union(second.keys).filter { first[$0] != second[$0] }.sorted().map {
            ImageDifference(kind: $0.kind, name: $0.name, first: first[$0], second: second[$0])
        }
    }

    private struct Item: Hashable, Comparable {
        var kind: ImageDifference.Kind
        var name: String?

        static let order: [ImageDifference.Kind] = [
            .firmwareHash, .version, .purpose, .brand, .board, .kernel, .commandLine, .rollbackCounter, .package, .input, .tool, .partition,
            .part, .loader, .bootFile, .rootFile,
        ]

        static func < (left: Self, right: Self) -> Bool {
            let (a, b) = (order.firstIndex(of: left.kind) ?? 0, order.firstIndex(of: right.kind) ?? 0)
            return a == b ? (left.name ?? "") < (right.name ?? "") : a < b
        }
    }

    private func inventory() throws(ImageError) -> [Item: ImageDifference.Side] {
        try verify()
        var items: [Item: ImageDifference.Side] = [
            Item(kind: .firmwareHash): .init(value: manifest.firmwareHash.description),
            Item(kind: .version): .init(value: String(manifest.version)),
            Item(kind: .purpose): .init(value: manifest.purpose.rawValue), Item(kind: .brand): .init(value: manifest.brand),
            Item(kind: .board): .init(value: manifest.board),
            Item(kind: .kernel): .init(value: manifest.kernelRelease),
            Item(kind: .commandLine): .init(value: manifest.commandLine),
            Item(kind: .rollbackCounter): .init(value: "\(manifest.rollbackCounter)"),
        ]
        for part in manifest.parts {
            items[Item(kind: .part, name: part.name)] = .init(bytes: part.length, sha256: part.digest.description)
        }
        for loader in manifest.loaders {
            items[Item(kind: .loader, name: loader.name)] = .init(bytes: loader.length, sha256: loader.digest.description)
        }
        for file in manifest.files {
            items[Item(kind: .bootFile, name: file.name)] = .init(bytes: file.length, sha256: file.digest.description)
        }
        for package in manifest.packages {
            items[Item(kind: .package, name: package.name)] = .init(
                value: "\(package.version) \(package.architecture)", sha256: package.digest.description)
        }
        for input in manifest.inputs {
            items[Item(kind: .input, name: input.name)] = .init(bytes: input.length, sha256: input.digest.description)
        }
        for tool in manifest.tools { items[Item(kind: .tool, name: tool.name)] = .init(value: tool.version) }
        for partition in partitionTable.partitions {
            items[Item(kind: .partition, name: partition.name)] = .init(bytes: partition.size)
        }
        for (path, entry) in try rootArchive().entries where path != ImageFact.firmwareHash.path {
            items[Item(kind: .rootFile, name: "/" + path)] = .init(entry)
        }
        return items
    }
}

extension ImageDifference.Side {
    fileprivate init(_ entry: NewcArchive.Entry) {
        switch entry {
        case .directory: self.init(value: "folder")
        case .file(let content, let permissions):
            self.init(
                value: "file " + String(permissions, radix: 8), bytes: content.count,
                sha256: ContentDigest(of: content).description)
        case .symbolicLink(let target): self.init(value: "link to \(target)")
        case .characterDevice(let major, let minor, let permissions):
            self.init(value: "device \(major):\(minor) " + String(permissions, radix: 8))
        }
    }
}
