import Contract
internal import Foundation
internal import BoardSupport

/// Makes FAT file systems without mounting anything: mkfs.fat and mtools, with fixed dates and volume numbers.
enum FATVolume {
    /// Writes a FAT file system of `size` bytes (a multiple of 1 MiB) with `files` into `place`.
    ///
    /// - Parameter bits: 16 or 32.
    static func create(
        at place: URL, size: Int, bits: Int, label: String, volumeNumber: String, files: [String: Data]
    ) throws(ImageError) {
        try HostTool.run(
            "mkfs.fat",
            [
                "--invariant", "-F", String(bits), "-i", volumeNumber, "-n", label, "-C", place.path,
                String(size / 1024),
            ])
        let scratch = try Scratch("fat")
        var folders: Set<String> = []
        for path in files.keys.sorted() {
            let parts = path.split(separator: "/").map(String.init)
            for depth in 1..<max(parts.count, 1) {
                let folder = parts.prefix(depth).joined(separator: "/")
                if folders.insert(folder).inserted { try HostTool.run("mmd", ["-i", place.path, "::/\(folder)"]) }
            }
            let source = scratch.url.appendingPathComponent(path)
            try write(files[path] ?? Data(), to: source)
            do {
                try FileManager.default.setAttributes(
                    [.modificationDate: Date(timeIntervalSince1970: Double(HostTool.timestamp))],
                    ofItemAtPath: source.path)
            } catch {
                throw ImageError(.cannotCreate, "cannot date \(source.path): \(error.localizedDescription)")
            }
            try HostTool.run("mcopy", ["-m", "-i", place.path, source.path, "::/\(path)"])
        }
    }

    /// Bytes that files take in clusters of up to 4 KiB.
    static func allocation(of files: [String: Data]) -> Int { files.values.reduce(0) { $0 + ($1.count + 4095) / 4096 * 4096 } }

    /// The smallest size for a FAT32 file system with so many bytes: whole MiB, and at least the 65525 clusters that make
    /// it FAT32 (Microsoft, "FAT: General Overview of On-Disk Format", FAT type determination).
    static func size(forBytes content: Int) -> Int {
        let mebibyte = 1 << 20
        // Two tables of four bytes a cluster of 512 bytes, and room for folders.
        let needed = content + content / 64 + 2 * mebibyte
        return max(34 * mebibyte, (needed + mebibyte - 1) / mebibyte * mebibyte)
    }
}
