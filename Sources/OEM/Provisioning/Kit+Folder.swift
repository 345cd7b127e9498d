internal import Platform
import Contract
internal import BoardSupport
internal import Disk
internal import Glibc

/// A kit's folder: `kit.conf` (text, `key=value`: `kit`, `nodes`, `edition`), `cluster.key` (64 hexadecimal digits), and where there are some
/// `license.vsl` and `deny.vsl`. Whoever holds it can join the machine, so it is readable for its owner only.
extension Kit {
    private static let configurationFile = "kit.conf"
    private static let keyFile = "cluster.key"

    /// Reads a kit's folder.
    public init(folder: String) throws(ProvisioningError) {
        let files = SystemFiles()
        let file = "\(folder)/\(Self.configurationFile)"
        guard let text = files.text(file) else { throw .failed(.missingInput, "cannot read \(file); make a kit with: vsmp kit create") }
        var values: [String: String] = [:]
        for (index, line) in text.split(separator: "\n").enumerated() {
            let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, ["kit", "nodes", "edition"].contains(parts[0]), values.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw .failed(.badInput, "\(file):\(index + 1): expected one each of kit=, nodes= and edition=")
            }
        }
        guard let id = values["kit"], let nodes = values["nodes"].flatMap({ Int($0) }) else { throw .failed(.badInput, "\(file) lacks kit=ID or nodes=N") }
        guard let key = files.text("\(folder)/\(Self.keyFile)").flatMap({ ClusterKey(hexadecimal: $0.trimmed) }) else {
            throw .failed(.badInput, "\(folder)/\(Self.keyFile): expected 64 hexadecimal digits; this kit is lost, make another with: vsmp kit create")
        }
        try self.init(id: id, nodes: nodes, key: key)
        let licence = try Self.content(of: "\(folder)/\(StickLicence.licenceFile)")
        guard (licence == nil) == (values["edition"] == nil) else { throw .failed(.badInput, "\(folder): edition= and \(StickLicence.licenceFile) belong together") }
        if let licence {
            self = carrying(licence: licence, denyList: try Self.content(of: "\(folder)/\(StickLicence.denyListFile)"), edition: values["edition"])
        }
    }

    private static func content(of path: String) throws(ProvisioningError) -> [UInt8]? {
        guard FileStatus(path) != nil else { return nil }
        return try onDisk { () throws(DiskError) in
            let file = try FileStore(reading: path)
            return try file.read(at: 0, count: file.byteCount)
        }
    }

    /// Makes the folder, which must not exist, in one step: whole, or not at all.
    public func write(to folder: String) throws(ProvisioningError) {
        guard FileStatus(folder) == nil else {
            throw .failed(.cannotCreate, "\(folder) exists already; a kit's key is never overwritten, name another folder")
        }
        let partial = PartialOutput(for: folder)
        guard unsafe mkdir(partial.path, 0o700) == 0 else { throw .failed(.cannotCreate, "cannot create the folder \(folder): \(errorText(errno))") }
        let text = "kit=\(id)\nnodes=\(nodes)\n" + (edition.map { "edition=\($0)\n" } ?? "")
        var files = [(Self.configurationFile, Array(text.utf8)), (Self.keyFile, Array((key.hexadecimal + "\n").utf8))]
        if let licence { files.append((StickLicence.licenceFile, licence)) }
        if let denyList { files.append((StickLicence.denyListFile, denyList)) }
        for (name, bytes) in files {
            try onDisk { () throws(DiskError) in
                let file = try FileStore(creating: "\(partial.path)/\(name)", size: bytes.count)
                try file.write(bytes, at: 0)
                try file.flush()
            }
        }
        do { try partial.takePlace(replacing: false) } catch { throw .failed(.cannotCreate, "cannot create the kit: \(error)") }
    }
}
