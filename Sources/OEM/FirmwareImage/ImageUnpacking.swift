internal import Contract
internal import Disk
internal import Platform

/// Finds an image's bytes behind what somebody named.
struct ImageUnpacking {
    let path: String
    let source: String?
    let folder: TemporaryFolder?

    /// How a file is packed, as its first bytes say (RFC 8878, RFC 1952, and the .xz file format 1.1.0).
    private enum Packing: String, CaseIterable {
        case zstd, xz, gzip

        var magic: [UInt8] {
            switch self {
            case .zstd: [0x28, 0xB5, 0x2F, 0xFD]
            case .xz: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]
            case .gzip: [0x1F, 0x8B]
            }
        }
    }

    private init(path: String, source: String?, folder: TemporaryFolder?) { (self.path, self.source, self.folder) = (path, source, folder) }

    /// No image is larger: its largest partition has 32 GiB.
    private static let largest = 34 << 30

    init(_ name: String) throws(ImageError) {
        guard !name.isEmpty else { throw ImageError(.missingInput, "the image's name is empty: name a file, or - for standard input") }
        if name == "-" {
            let file = try Self.onSystem("standard input") { () throws(SystemError) in try FileDescriptor(duplicating: 0, as: "standard input") }
            self = try Self.streamed(file)
            return
        }
        guard let status = FileStatus(name) else {
            let hint = name.hasSuffix("/") ? "take the slash at its end away" : "build one with vsmp image build"
            throw ImageError(.missingInput, "there is no image \(name): \(hint)")
        }
        switch status.kind {
        case .folder: throw ImageError(.missingInput, "\(name) is a folder: name an image in it")
        case .file, .blockDevice:
            guard let packing = try Self.packing(of: name) else {
                self.init(path: name, source: name, folder: nil)
                return
            }
            let folder = try Self.makeFolder()
            try Self.unpack(name, packing, named: name, to: folder.path + "/image")
            self.init(path: folder.path + "/image", source: name, folder: folder)
        case .characterDevice, .other:
            self = try Self.streamed(try Self.onSystem(name) { () throws(SystemError) in try FileDescriptor(opening: name, for: .read) })
        }
    }

    /// Takes everything that comes through a pipe.
    private static func streamed(_ file: consuming FileDescriptor) throws(ImageError) -> ImageUnpacking {
        let name = file.subject
        let folder = try Self.makeFolder()
        let arrived = folder.path + "/arrived"
        try Self.onSystem(name) { () throws(SystemError) in
            let copy = try FileDescriptor(opening: arrived, for: .write, [.create, .exclusive], permissions: 0o600)
            var end = 0
            while true {
                let piece = try file.read(atMost: 1 << 20)
                if piece.isEmpty { break }
                guard end + piece.count <= Self.largest else { throw SystemError("read", on: name, code: 27) }
                // What is zero stays a hole.
                if !piece.isZero { try copy.write(piece, at: end) }
                end += piece.count
            }
            try copy.truncate(to: end)
        }
        guard let packing = try Self.packing(of: arrived) else { return ImageUnpacking(path: arrived, source: nil, folder: folder) }
        try Self.unpack(arrived, packing, named: name, to: folder.path + "/image")
        return ImageUnpacking(path: folder.path + "/image", source: nil, folder: folder)
    }

    private static func packing(of path: String) throws(ImageError) -> Packing? {
        let store = try onDisk { () throws(DiskError) in try FileStore(reading: path) }
        let head = try onDisk { () throws(DiskError) in try store.read(at: 0, count: min(8, store.byteCount)) }
        return Packing.allCases.first { head.starts(with: $0.magic) }
    }

    /// A file that ends early, or goes on with something else, makes each of the programs fail.
    private static func unpack(_ packed: String, _ packing: Packing, named name: String, to path: String) throws(ImageError) {
        let tool = HostProgram(packing.rawValue)
        guard HostProgram.locate(tool.name) != nil else {
            throw ImageError(.unavailable, "\(name) is packed with \(tool.name), which is not installed: install the package \(tool.package) and try again")
        }
        do throws(HostProgramError) {
            // ulimit counts blocks of 512 bytes.
            let script = "ulimit -f \(largest / 512) && exec \"$0\" -d -c <\"$1\" >\"$2\""
            try HostProgram("sh").run(["-c", script, tool.name, packed, path])
        } catch {
            let words = String(describing: error).split(separator: ": ").suffix(2).joined(separator: ": ")
            throw ImageError(
                error.reason == .failed ? .badInput : .unavailable, "\(name) cannot be unpacked with \(tool.name): it is damaged or cut off (\(words)): fetch it again")
        }
    }

    private static func makeFolder() throws(ImageError) -> TemporaryFolder {
        do throws(TemporaryFolderError) { return try TemporaryFolder("image") } catch { throw ImageError(.cannotCreate, error.description) }
    }

    private static func onSystem<Value: ~Copyable>(_ name: String, _ body: () throws(SystemError) -> Value) throws(ImageError) -> Value {
        do throws(SystemError) { return try body() } catch { throw ImageError(.inputOutput, "cannot read \(name): \(error)") }
    }
}
