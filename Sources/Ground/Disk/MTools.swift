internal import Contract
internal import Glibc
internal import Platform

/// Runs mtools and mkfs.fat in a folder of their own, where the volume and what goes into it have plain names: no character of a host's path means
/// anything to them. Their environment is neutral, so that nobody's settings change a byte.
struct MTools {
    private static let image = "image"

    private let folder: TemporaryFolder
    /// What mcopy is told to copy, and what it reads.
    let source: String
    private let input: [UInt8]

    /// - Parameter volume: path of the stick or file.
    init(volume: String, source: FATVolume.Content?) throws(DiskError) {
        do throws(TemporaryFolderError) { folder = try TemporaryFolder("mtools") } catch {
            throw DiskError(.cannotCreate, error.description)
        }
        try Self.link(folder.path + "/" + Self.image, to: volume)
        switch source {
        case .file(let path)?:
            (self.source, input) = ("source", [])
            try Self.link(folder.path + "/source", to: path)
        case .bytes(let bytes)?: (self.source, input) = ("-", bytes)
        case nil: (self.source, input) = ("", [])
        }
    }

    private static func link(_ place: String, to path: String) throws(DiskError) {
        // What a nameless file leads to has no path.
        let target = path.hasPrefix("/proc/") ? path : unsafe realpath(path, nil).map { resolved in
            // SAFETY: realpath returns a C string of its own, which is freed once it is copied.
            defer { unsafe free(resolved) }
            return unsafe String(cString: resolved)
        }
        guard let target else { throw DiskError(.missingInput, "cannot read \(path): \(SystemError.reason(errno))") }
        // SAFETY: both are C strings for the call.
        guard unsafe symlink(target, place) == 0 else { throw DiskError(.cannotCreate, "cannot create \(place): \(SystemError.reason(errno))") }
    }

    /// What `-i` takes for a file system at `offset` bytes.
    func place(_ offset: Int) -> String { "\(Self.image)@@\(offset)" }

    func run(_ tool: String, _ arguments: [String], changing volume: String) throws(DiskError) {
        try Self.run(tool, arguments, input: input, in: folder.path, changing: volume)
    }

    static func run(_ tool: String, _ arguments: [String], input: [UInt8] = [], in folder: String? = nil, changing volume: String) throws(DiskError) {
        do throws(HostProgramError) {
            try HostProgram(tool).run(arguments, input: input, in: folder)
        } catch {
            if let shortage = TemporaryFolder.shortage { throw DiskError(.cannotCreate, shortage.description) }
            throw DiskError(error.reason == .notInstalled ? .unavailable : .inputOutput, "cannot change \(volume): \(error)")
        }
    }
}
