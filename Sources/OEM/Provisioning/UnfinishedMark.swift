internal import Bytes
internal import Disk

/// What the second block of a stick says while it is no stick yet: where a cluster key may lie, of a former kit or of the one that was being written. Who
/// writes such a stick the next time makes that zero.
struct UnfinishedMark: Equatable {
    private static let title = "vsmp: this is no stick yet, write it again; secrets may be at"

    var secrets: [Range<Int>]

    init(secrets: [Range<Int>]) { self.secrets = secrets }

    /// Nil for a disk without one.
    init?(on disk: borrowing some BlockStore & ~Copyable) {
        guard let block = try? disk.read(at: StickTransfer.firstBlock, count: StickTransfer.firstBlock),
            let line = String(decoding: block, as: UTF8.self).split(separator: "\n").first, line.hasPrefix(Self.title)
        else { return nil }
        secrets = line.dropFirst(Self.title.count).split(separator: " ").compactMap { word in
            let ends = word.split(separator: "-").compactMap { Int($0) }
            return ends.count == 2 && 0 <= ends[0] && ends[0] < ends[1] ? ends[0]..<ends[1] : nil
        }
    }

    /// One block.
    var bytes: [UInt8] {
        // As many as fit; a stick has one or two.
        let words = secrets.prefix(64).map { " \($0.lowerBound)-\($0.upperBound)" }.joined()
        let text = Array("\(Self.title)\(words)\n".utf8)
        return text + [UInt8](repeating: 0, count: StickTransfer.firstBlock - text.count)
    }
}
