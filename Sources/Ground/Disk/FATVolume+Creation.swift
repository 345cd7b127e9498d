extension FATVolume {
    /// Makes a file with an empty FAT file system of `size` bytes; equal arguments give equal bytes.
    ///
    /// - Parameters:
    ///   - path: nothing must be there; or with `isThere` a file of `size` zeroes.
    ///   - size: a multiple of 1 KiB.
    ///   - bits: 16 or 32.
    ///   - volumeNumber: eight hexadecimal digits at most.
    ///   - sectorSize: not smaller than that of the disk that it goes to.
    package static func create(
        at path: String, isThere: Bool = false, size: Int, bits: Int, label: String, volumeNumber: String, sectorSize: Int = GUIDPartitionTable.sectorSize
    ) throws(DiskError) -> FATVolume {
        let place = isThere ? [path] : ["-C", path, String(size / 1024)]
        try MTools.run(
            "mkfs.fat", ["--invariant", "-S", String(sectorSize), "-F", String(bits), "-i", volumeNumber, "-n", label] + place, changing: path)
        return FATVolume(file: path, size: size)
    }

    /// 12, 16 or 32: what a file system with one of these sectors a cluster is by its number of clusters.
    package static func bits(size: Int, sectorSize: Int) -> Int { size / sectorSize > 66_000 ? 32 : size / sectorSize > 4200 ? 16 : 12 }

    /// Writes `files`, by path, in the order of their names, and the folders that they need.
    package func put(_ files: [String: Content]) throws(DiskError) {
        for path in files.keys.sorted() {
            try makeFolder(path.split(separator: "/").dropLast().joined(separator: "/"))
            if let content = files[path] { try put(path, content) }
        }
    }

    /// Bytes that files take in clusters of up to 4 KiB.
    package static func allocation(of sizes: some Sequence<Int>) -> Int { sizes.reduce(0) { $0 + ($1 + 4095) / 4096 * 4096 } }

    /// The smallest size for a FAT32 file system with so many bytes: whole MiB, and at least the 65525 clusters that make
    /// it FAT32 (Microsoft, "FAT: General Overview of On-Disk Format", FAT type determination).
    package static func size(forBytes content: Int) -> Int {
        let mebibyte = 1 << 20
        // Two tables of four bytes a cluster of 512 bytes, and room for folders.
        let needed = content + content / 64 + 2 * mebibyte
        return max(34 * mebibyte, (needed + mebibyte - 1) / mebibyte * mebibyte)
    }
}
