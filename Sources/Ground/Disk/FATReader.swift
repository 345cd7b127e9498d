/// Reads the files of a FAT12, FAT16 or FAT32 file system that begins at an offset of a store.
package struct FATReader<Store: BlockStore & ~Copyable>: ~Copyable {
    private let store: Store
    private let table: FATTable

    package var geometry: FATGeometry { table.geometry }

    /// - Parameters:
    ///   - name: what an error calls the file system.
    package init(_ store: consuming Store, at start: Int, name: String) throws(DiskError) {
        table = try FATTable(reading: store, at: start, name: name)
        self.store = store
    }

    /// Every file and folder, a folder before what it holds.
    package func entries() throws(DiskError) -> [FATEntry] { try table.entries(in: store) }

    /// What `path` names, whatever the case of its letters; nil when there is nothing.
    package func entry(_ path: String) throws(DiskError) -> FATEntry? {
        var found: FATEntry?
        for part in path.split(separator: "/") {
            guard found?.isFolder ?? true else { return nil }
            let wanted = (found.map { $0.path + "/" } ?? "") + part
            guard let next = try table.folder(found, in: store).first(where: { $0.path.lowercased() == wanted.lowercased() }) else { return nil }
            found = next
        }
        return found
    }

    /// A file's content.
    package func content(of entry: FATEntry) throws(DiskError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(entry.size, geometry.clusterCount * geometry.clusterSize))
        for run in chain(of: entry).runs where bytes.count < entry.size {
            bytes += try store.read(at: table.offset(ofCluster: run.lowerBound), count: min(run.count * geometry.clusterSize, entry.size - bytes.count))
        }
        guard bytes.count == entry.size else { throw table.damaged }
        return bytes
    }

    /// The clusters of a file or folder, neighbours together, and whether the table gives the chain an end: a cut leaves one that leads to a
    /// free cluster.
    package func chain(of entry: FATEntry) -> (runs: [ClosedRange<Int>], hasEnd: Bool) { table.chain(from: entry.firstCluster) }

    /// - Throws: where the copies of the table differ, or a file or folder leads to clusters that the table calls free.
    package func check() throws(DiskError) { _ = try table.meaning(in: store) }

    package func freeBytes() -> Int { table.freeClusters() * geometry.clusterSize }
}
