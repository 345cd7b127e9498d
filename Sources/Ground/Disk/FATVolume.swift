internal import Contract

/// A FAT file system in a partition of a stick, or in a file of its own. It is read here and changed by mtools; nothing is mounted.
package struct FATVolume: Sendable {
    /// The stick or file, and where the file system begins and how large it is there, in bytes.
    package let path: String
    package let offset: Int
    let size: Int
    /// Whether it is read past the page cache.
    private let isDirect: Bool
    /// What messages call it.
    let name: String

    /// - Parameters:
    ///   - path: the stick or image.
    ///   - shownAs: its name in messages, where that is another one.
    ///   - direct: read the medium itself instead of the page cache.
    package init(_ partition: GUIDPartitionTable.Partition, of path: String, shownAs name: String? = nil, direct: Bool = false) {
        isDirect = direct
        self.path = path
        offset = partition.offset
        size = partition.size
        self.name = "\(partition.name) of \(name ?? path)"
    }

    /// A file that holds nothing but the file system.
    init(file path: String, size: Int) {
        self.path = path
        isDirect = false
        offset = 0
        self.size = size
        name = path
    }

    package func reader() throws(DiskError) -> FATReader<FileStore> { try FATReader(try FileStore(reading: path, direct: isDirect), at: offset, name: name) }

    /// Whether the copies of its table agree, and all files and folders lead to clusters that are in use.
    package func check() throws(DiskError) { try reader().check() }

    /// The paths of all files.
    package func files() throws(DiskError) -> [String] { try reader().entries().filter { !$0.isFolder }.map(\.path) }

    /// Nil for a file that is not there.
    package func read(_ path: String) throws(DiskError) -> [UInt8]? {
        let reader = try reader()
        guard let entry = try reader.entry(path), !entry.isFolder else { return nil }
        return try reader.content(of: entry)
    }

    /// The content of a file that must be there.
    package func content(of path: String) throws(DiskError) -> [UInt8] {
        guard let content = try read(path) else { throw DiskError(.inputOutput, "\(name) holds no \(path): write the stick anew") }
        return content
    }

    package func freeBytes() throws(DiskError) -> Int { try reader().freeBytes() }

    /// Bytes of the clusters that files take.
    package func allocation(of paths: [String]) throws(DiskError) -> Int {
        let reader = try reader()
        var clusters = 0
        for path in paths {
            guard let entry = try reader.entry(path) else { continue }
            clusters += reader.chain(of: entry).runs.reduce(0) { $0 + $1.count }
        }
        return clusters * reader.geometry.clusterSize
    }
}
