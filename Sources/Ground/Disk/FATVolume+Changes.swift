internal import Contract

extension FATVolume {
    /// What a new file gets.
    package enum Content: Sendable {
        case bytes([UInt8])
        /// What a plain file of the host holds.
        case file(String)
    }

    /// A new file, or other content for one, which a cut leaves missing or half written.
    package func put(_ path: String, _ content: Content) throws(DiskError) {
        let target = try Self.argument(path)
        try mtools("mcopy", source: content) { ["-o", "-i", $0, $1, target] }
    }

    package func remove(_ path: String) throws(DiskError) {
        let target = try Self.argument(path)
        try mtools("mdel") { place, _ in ["-i", place, target] }
    }

    /// A folder and those above it; one that is there already is as good.
    package func makeFolder(_ path: String) throws(DiskError) {
        var folder = ""
        for part in path.split(separator: "/") {
            folder += (folder.isEmpty ? "" : "/") + part
            guard try reader().entry(folder) == nil else { continue }
            let target = try Self.argument(folder)
            try mtools("mmd") { place, _ in ["-i", place, target] }
        }
    }

    /// Another name in the same folder. With as many characters it is one sector that changes.
    package func rename(_ path: String, to name: String) throws(DiskError) {
        let target = try Self.argument(path)
        try mtools("mren") { place, _ in ["-i", place, target, name] }
    }

    /// Reads a file back, from the medium after `flush`.
    package func check(_ path: String, is content: ArraySlice<UInt8>) throws(DiskError) {
        guard try read(path)?[...] == content else {
            throw DiskError(.inputOutput, "\(name) returned other bytes than were written to \(path): try again, and replace the stick if this repeats")
        }
    }

    /// Gives a file of fixed length, which the boot loaders read, other bytes: on the medium and read back. Where the file has that length, each of
    /// its sectors has the old or the new bytes at any time, and no other sector of the file system changes; a file that is missing or has another
    /// length is made anew.
    package func overwrite(_ path: String, with content: [UInt8]) throws(DiskError) {
        let old = try? read(path)
        if old == content { return }
        if old?.count == content.count {
            try overwriteInPlace(path, content)
        } else {
            try makeFolder(path.split(separator: "/").dropLast().joined(separator: "/"))
            try put(path, .bytes(content))
        }
        try flush()
        try check(path, is: content[...])
    }

    private func overwriteInPlace(_ path: String, _ content: [UInt8]) throws(DiskError) {
        let reader = try reader()
        guard let entry = try reader.entry(path) else { return }
        let store = try FileStore(changing: self.path)
        var rest = content[...]
        for run in reader.chain(of: entry).runs {
            let part = Array(rest.prefix(run.count * reader.geometry.clusterSize))
            try store.write(part, at: offset + reader.geometry.offset(ofCluster: run.lowerBound))
            rest = rest.dropFirst(part.count)
        }
    }

    /// Gives the chain of clusters of each file an end where a cut left it without one: the folder names the file and the table does not know all of
    /// it yet. mdel would follow such a chain to cluster 0 and clear the entry by which GRUB knows a FAT file system.
    package func endChains(of paths: [String]) throws(DiskError) {
        let reader = try reader()
        let store = try FileStore(changing: path)
        for path in paths {
            guard let entry = try reader.entry(path) else { continue }
            let (runs, hasEnd) = reader.chain(of: entry)
            guard !hasEnd, let last = runs.last?.upperBound else { continue }
            for place in reader.geometry.entries(ofCluster: last) { try store.write(reader.geometry.endMark, at: offset + place) }
        }
        try store.flush()
    }

    /// Waits until everything written is on the medium; what is read from then on comes from there.
    package func flush() throws(DiskError) {
        let store = try FileStore(changing: path)
        try store.flush()
    }

    private func mtools(_ tool: String, source: Content? = nil, _ arguments: (_ place: String, _ source: String) -> [String]) throws(DiskError) {
        let folder = try MTools(volume: path, source: source)
        try folder.run(tool, arguments(folder.place(offset), folder.source), changing: name)
    }

    /// How mtools are told a path on the volume: `*`, `?` and brackets would be patterns, and other characters than ASCII depend on settings.
    private static func argument(_ path: String) throws(DiskError) -> String {
        guard path.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
            throw DiskError(.badInput, "the stick holds the file \"\(path)\", whose name vsmp cannot use: remove it, or write the stick anew")
        }
        var text = "::/"
        for character in path { text += ["*", "?", "[", "]", "\\"].contains(character) ? "\\\(character)" : String(character) }
        return text
    }
}
