internal import Contract

/// Reads a FAT12, FAT16 or FAT32 file system that begins at an offset of a store. Whatever the file system says, every walk ends.
package struct FATReader<Store: BlockStore & ~Copyable>: ~Copyable {
    package let geometry: FATGeometry
    private let store: Store
    private let start: Int
    private let name: String
    private let table: [UInt8]

    /// Folders within folders, and entries of all of them, that are read.
    private static var deepest: Int { 16 }
    private static var mostEntries: Int { 1 << 16 }

    /// - Parameters:
    ///   - name: what an error calls the file system.
    package init(_ store: consuming Store, at start: Int, name: String) throws(DiskError) {
        guard start >= 0, start <= store.byteCount - 512, let geometry = FATGeometry(bootSector: try store.read(at: start, count: 512)),
            geometry.byteCount <= store.byteCount - start
        else { throw Self.damaged(name) }
        table = try store.read(at: start + geometry.tableStart, count: geometry.tableSize)
        self.geometry = geometry
        self.store = store
        self.start = start
        self.name = name
    }

    /// Every file and folder, a folder before what it holds.
    package func entries() throws(DiskError) -> [FATEntry] {
        var found = try folder(of: nil)
        var index = 0
        while index < found.count {
            let entry = found[index]
            index += 1
            guard entry.isFolder else { continue }
            guard found.count <= Self.mostEntries, entry.path.utf8.count(where: { $0 == UInt8(ascii: "/") }) < Self.deepest else { throw Self.damaged(name) }
            found += try folder(of: entry)
        }
        return found
    }

    /// What `path` names, whatever the case of its letters; nil when there is nothing.
    package func entry(_ path: String) throws(DiskError) -> FATEntry? {
        var found: FATEntry?
        for part in path.split(separator: "/") {
            guard found?.isFolder ?? true else { return nil }
            let wanted = (found.map { $0.path + "/" } ?? "") + part
            guard let next = try folder(of: found).first(where: { $0.path.lowercased() == wanted.lowercased() }) else { return nil }
            found = next
        }
        return found
    }

    /// A file's content.
    package func content(of entry: FATEntry) throws(DiskError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(entry.size, geometry.clusterCount * geometry.clusterSize))
        for run in chain(of: entry).runs where bytes.count < entry.size {
            bytes += try store.read(
                at: start + geometry.offset(ofCluster: run.lowerBound), count: min(run.count * geometry.clusterSize, entry.size - bytes.count))
        }
        guard bytes.count == entry.size else { throw Self.damaged(name) }
        return bytes
    }

    /// The clusters of a file or folder, neighbours together, and whether the table gives the chain an end: a cut leaves one that leads to a
    /// free cluster.
    package func chain(of entry: FATEntry) -> (runs: [ClosedRange<Int>], hasEnd: Bool) { chain(from: entry.firstCluster) }

    package func freeBytes() -> Int {
        let all = FATGeometry.firstCluster..<FATGeometry.firstCluster + geometry.clusterCount
        return all.count { geometry.next(of: $0, in: table) == 0 } * geometry.clusterSize
    }

    private func chain(from first: Int) -> (runs: [ClosedRange<Int>], hasEnd: Bool) {
        guard first != 0 else { return ([], true) }
        var runs: [ClosedRange<Int>] = []
        var cluster = first
        // A chain that is longer than the file system is a loop.
        for _ in 0..<geometry.clusterCount {
            guard geometry.isCluster(cluster) else { return (runs, false) }
            if let last = runs.last, last.upperBound + 1 == cluster { runs[runs.count - 1] = last.lowerBound...cluster } else { runs.append(cluster...cluster) }
            let next = geometry.next(of: cluster, in: table)
            if geometry.isEnd(next) { return (runs, true) }
            cluster = next
        }
        return (runs, false)
    }

    private func folder(of entry: FATEntry?) throws(DiskError) -> [FATEntry] {
        var bytes: [UInt8] = []
        let first = entry?.firstCluster ?? geometry.rootCluster
        if first == 0 {
            guard entry == nil else { throw Self.damaged(name) }
            bytes = try store.read(at: start + geometry.rootStart, count: geometry.rootSize)
        } else {
            for run in chain(from: first).runs {
                guard bytes.count <= Self.mostEntries * FATGeometry.entrySize else { throw Self.damaged(name) }
                bytes += try store.read(at: start + geometry.offset(ofCluster: run.lowerBound), count: run.count * geometry.clusterSize)
            }
        }
        guard let found = FATFolder.entries(bytes, in: entry?.path ?? "") else { throw Self.damaged(name) }
        return found
    }

    private static func damaged(_ name: String) -> DiskError { DiskError(.inputOutput, "the file system \(name) is damaged: write the stick anew") }
}
