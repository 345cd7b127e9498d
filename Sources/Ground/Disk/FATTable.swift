internal import Contract

/// The first table of a FAT12, FAT16 or FAT32 file system that begins at an offset of a store, and the folders it leads to. Whatever the file system
/// says, every walk ends.
struct FATTable: Sendable {
    let geometry: FATGeometry
    /// Where the file system begins in its store, in bytes.
    let start: Int
    private let name: String
    private let bytes: [UInt8]

    /// Folders within folders, and entries of all of them, that are read.
    private static let deepest = 16
    private static let mostEntries = 1 << 16

    /// - Parameter name: what an error calls the file system.
    init(reading store: borrowing some BlockStore & ~Copyable, at start: Int, name: String) throws(DiskError) {
        guard start >= 0, start <= store.byteCount - 512, let geometry = FATGeometry(bootSector: try store.read(at: start, count: 512)),
            geometry.byteCount <= store.byteCount - start
        else { throw Self.damaged(name) }
        bytes = try store.read(at: start + geometry.tableStart, count: geometry.tableSize)
        self.geometry = geometry
        self.start = start
        self.name = name
    }

    var damaged: DiskError { Self.damaged(name) }

    private static func damaged(_ name: String) -> DiskError { DiskError(.inputOutput, "the file system \(name) is damaged: write the stick anew") }

    /// Offset of a cluster in the store.
    func offset(ofCluster number: Int) -> Int { start + geometry.offset(ofCluster: number) }

    /// Clusters that belong to no file.
    func freeClusters() -> Int { clusters.count { !isAllocated($0) } }

    private var clusters: Range<Int> { FATGeometry.firstCluster..<FATGeometry.firstCluster + geometry.clusterCount }

    private func isAllocated(_ cluster: Int) -> Bool { geometry.next(of: cluster, in: bytes) != 0 }

    /// The clusters of a chain, neighbours together, and whether the table gives it an end.
    func chain(from first: Int) -> (runs: [ClosedRange<Int>], hasEnd: Bool) {
        guard first != 0 else { return ([], true) }
        var runs: [ClosedRange<Int>] = []
        var cluster = first
        // A chain that is longer than the file system is a loop.
        for _ in 0..<geometry.clusterCount {
            guard geometry.isCluster(cluster) else { return (runs, false) }
            if let last = runs.last, last.upperBound + 1 == cluster { runs[runs.count - 1] = last.lowerBound...cluster } else { runs.append(cluster...cluster) }
            let next = geometry.next(of: cluster, in: bytes)
            if geometry.isEnd(next) { return (runs, true) }
            cluster = next
        }
        return (runs, false)
    }

    /// Every file and folder, a folder before what it holds.
    func entries(in store: borrowing some BlockStore & ~Copyable) throws(DiskError) -> [FATEntry] {
        var found = try folder(nil, in: store)
        var index = 0
        while index < found.count {
            let entry = found[index]
            index += 1
            guard entry.isFolder else { continue }
            guard found.count <= Self.mostEntries, entry.path.utf8.count(where: { $0 == UInt8(ascii: "/") }) < Self.deepest else { throw damaged }
            found += try folder(entry, in: store)
        }
        return found
    }

    /// What a folder holds.
    ///
    /// - Parameter entry: nil for the root folder.
    func folder(_ entry: FATEntry?, in store: borrowing some BlockStore & ~Copyable) throws(DiskError) -> [FATEntry] {
        var content: [UInt8] = []
        let first = entry?.firstCluster ?? geometry.rootCluster
        if first == 0 {
            guard entry == nil else { throw damaged }
            content = try store.read(at: start + geometry.rootStart, count: geometry.rootSize)
        } else {
            for run in chain(from: first).runs {
                guard content.count <= Self.mostEntries * FATGeometry.entrySize else { throw damaged }
                content += try store.read(at: offset(ofCluster: run.lowerBound), count: run.count * geometry.clusterSize)
            }
        }
        guard let found = FATFolder.entries(content, in: entry?.path ?? "") else { throw damaged }
        return found
    }

    /// The parts of the store, in bytes and in order, that have a meaning: everything before the first cluster, and each cluster that is taken.
    ///
    /// - Throws: when the copies of the table differ, or a file or folder leads to clusters that the table calls free.
    func meaning(in store: borrowing some BlockStore & ~Copyable) throws(DiskError) -> [Range<Int>] {
        for copy in 1..<geometry.tableCount {
            guard try store.read(at: start + geometry.tableStart + copy * geometry.tableSize, count: geometry.tableSize) == bytes else { throw damaged }
        }
        guard chain(from: geometry.rootCluster).hasEnd, try entries(in: store).allSatisfy({ chain(from: $0.firstCluster).hasEnd }) else { throw damaged }
        var parts = [start..<offset(ofCluster: FATGeometry.firstCluster)]
        for cluster in clusters where isAllocated(cluster) {
            let end = offset(ofCluster: cluster + 1)
            if let last = parts.last, last.upperBound == end - geometry.clusterSize {
                parts[parts.count - 1] = last.lowerBound..<end
            } else {
                parts.append(end - geometry.clusterSize..<end)
            }
        }
        return parts
    }
}
