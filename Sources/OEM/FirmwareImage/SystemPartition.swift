import Platform
import Contract
internal import BoardSupport
internal import Foundation

/// The boot partition of a stick or of its image, changed with mtools, without mounting it.
struct SystemPartition {
    let file: URL
    let partition: GUIDPartitionTable.Partition

    private var place: String { "\(file.path)@@\(partition.offset)" }

    /// Nil for a file that is not there or cannot be read.
    func read(_ path: String) throws(ImageError) -> Data? {
        let result = try HostTool.result("mcopy", ["-n", "-i", place, "::/\(path)", "-"])
        return result.isSuccess ? Data(result.output) : nil
    }

    func remove(_ path: String) throws(ImageError) { try HostTool.run("mdel", ["-i", place, "::/\(path)"]) }

    func makeFolder(_ path: String) throws(ImageError) {
        // A folder that is there already is as good.
        _ = try HostTool.result("mmd", ["-D", "s", "-i", place, "::/\(path)"])
    }

    /// A new file, or other content for one, which a cut leaves missing or half written.
    func put(_ path: String, _ content: Data) throws(ImageError) {
        let scratch = try Scratch("bank")
        let source = scratch.url.appendingPathComponent("content")
        try FirmwareImage.write(content, to: source)
        try HostTool.run("mcopy", ["-o", "-i", place, source.path, "::/\(path)"])
    }

    /// Another name in the same folder. With as many characters it is one sector that changes.
    func rename(_ path: String, to name: String) throws(ImageError) { try HostTool.run("mren", ["-i", place, "::/\(path)", name]) }

    /// Reads a file back, from the medium after `flush`.
    func check(_ path: String, is content: Data) throws(ImageError) {
        guard try read(path) == content else {
            throw ImageError(.inputOutput, "\(file.path) returned other bytes than were written to \(path): try again, and replace the stick if this repeats")
        }
    }

    /// Gives a file of fixed length, which the boot loaders read, other bytes: on the medium and read back. Where the file has that length, each of
    /// its sectors has the old or the new bytes at any time, and no other sector of the file system changes; a file that is missing or has another
    /// length is made anew.
    func overwrite(_ path: String, with content: Data) throws(ImageError) {
        let old = try read(path)
        if old == content { return }
        if old?.count == content.count {
            try overwriteInPlace(path, content)
        } else {
            try makeFolder(path.split(separator: "/").dropLast().joined(separator: "/"))
            try put(path, content)
        }
        try flush()
        try check(path, is: content)
    }

    private func overwriteInPlace(_ path: String, _ content: Data) throws(ImageError) {
        let geometry = try geometry()
        var rest = content
        for range in try clusters(of: path).ranges {
            let part = rest.prefix(range.count * geometry.clusterSize)
            try write(part, at: geometry.offset(ofCluster: range.lowerBound))
            rest = rest.dropFirst(part.count)
        }
        guard rest.isEmpty else { throw damaged }
    }

    /// Gives the chain of clusters of each file an end where a cut left it without one: the folder names the file and the table does not know all of
    /// it yet. mdel would follow such a chain to cluster 0 and clear the entry by which GRUB knows a FAT file system.
    func endChains(of paths: [String]) throws(ImageError) {
        for path in paths {
            let (ranges, hasEnd) = try clusters(of: path)
            guard !hasEnd, let last = ranges.last?.upperBound else { continue }
            for offset in try geometry().entries(ofCluster: last) { try write(Data([0xFF, 0xFF, 0xFF, 0x0F]), at: offset) }
        }
        try flush()
    }

    private var damaged: ImageError {
        ImageError(.inputOutput, "\(file.path): the file system of \(partition.name) is damaged: write the stick anew")
    }

    func geometry() throws(ImageError) -> FATGeometry {
        guard let geometry = FATGeometry(bootSector: Array(try ImageReader.bytes(of: file, at: partition.offset, count: 512))) else { throw damaged }
        return geometry
    }

    private func write(_ bytes: Data, at offset: Int) throws(ImageError) {
        guard offset >= 0, offset + bytes.count <= partition.size else { throw damaged }
        do {
            let handle = try FileHandle(forUpdating: file)
            defer { try? handle.close() }
            try handle.seek(toOffset: UInt64(partition.offset + offset))
            try handle.write(contentsOf: bytes)
        } catch {
            throw ImageError(.inputOutput, "cannot write \(partition.name) of \(file.path): \(error.localizedDescription)")
        }
    }

    /// Waits until everything written is on the medium; what is read from then on comes from there.
    func flush() throws(ImageError) {
        let descriptor = unsafe open(file.path, O_RDWR | O_CLOEXEC)
        defer { if descriptor >= 0 { close(descriptor) } }
        guard descriptor >= 0, fsync(descriptor) == 0 else {
            let reason = POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO).localizedDescription
            throw ImageError(.inputOutput, "cannot flush \(file.path): \(reason); the stick may be defective")
        }
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    }

    /// What mdir counts as free.
    func freeBytes() throws(ImageError) -> Int {
        let listing = String(decoding: try HostTool.run("mdir", ["-i", place, "::/"]), as: UTF8.self)
        let line = listing.split(separator: "\n").last { $0.contains("bytes free") } ?? ""
        guard let free = Int(line.filter(\.isNumber)) else {
            throw ImageError(.inputOutput, "mdir does not say how much room \(file.path) has")
        }
        return free
    }

    /// Bytes of the clusters that files take.
    func allocation(of paths: [String]) throws(ImageError) -> Int {
        var count = 0
        for path in paths { for range in try clusters(of: path).ranges { count += range.count } }
        return try count * geometry().clusterSize
    }

    /// As mshowfat(1) prints them: `::/PATH <6-7> <9>`; with a last `<0>` the chain leads to a cluster that is free.
    private func clusters(of path: String) throws(ImageError) -> (ranges: [ClosedRange<Int>], hasEnd: Bool) {
        let output = String(decoding: try HostTool.run("mshowfat", ["-i", place, "::/\(path)"]), as: UTF8.self)
        var ranges: [ClosedRange<Int>] = []
        for piece in output.split(separator: "<").dropFirst() {
            let bounds = piece.prefix { $0 != ">" }.split(separator: "-").compactMap { UInt32($0) }.map { Int($0) }
            guard let first = bounds.first, let last = bounds.last, first <= last else { throw damaged }
            guard first >= FATGeometry.firstCluster else { return (ranges, false) }
            ranges.append(first...last)
        }
        return (ranges, true)
    }
}

/// Where the table and the clusters of a FAT32 file system lie (Microsoft, "FAT: General Overview of On-Disk Format", BPB). In bytes from its start.
struct FATGeometry {
    static let firstCluster = 2

    let clusterSize: Int
    private let tableStart: Int
    private let tableSize: Int
    private let tableCount: Int

    /// Nil for anything but a FAT32 file system's first sector.
    init?(bootSector: [UInt8]) {
        guard bootSector.count == 512, bootSector.number(510, 2) == 0xAA55 else { return nil }
        let sector = Int(bootSector.number(11, 2))
        let sectorsPerCluster = Int(bootSector[13])
        guard [512, 1024, 2048, 4096].contains(sector), sectorsPerCluster.nonzeroBitCount == 1, bootSector.number(22, 2) == 0 else { return nil }
        clusterSize = sector * sectorsPerCluster
        tableStart = Int(bootSector.number(14, 2)) * sector
        tableCount = Int(bootSector[16])
        tableSize = Int(bootSector.number(36, 4)) * sector
    }

    func offset(ofCluster number: Int) -> Int { tableStart + tableCount * tableSize + (number - Self.firstCluster) * clusterSize }

    /// Where each copy of the table says what follows a cluster.
    func entries(ofCluster number: Int) -> [Int] { (0..<tableCount).map { tableStart + $0 * tableSize + number * 4 } }
}
