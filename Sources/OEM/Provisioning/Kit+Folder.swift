import Bytes
internal import Platform
internal import Contract
internal import BoardSupport
internal import Disk
internal import Glibc

/// A kit's folder: `kit.conf` (text, `key=value`: `kit`, `nodes`, `edition`, and once there are sticks `board`, `firmware`, `version`), `cluster.key` (64 hexadecimal digits), and where there are some
/// `license.vsl` and `deny.vsl`. Whoever holds it can join the machine, so it is readable for its owner only.
extension Kit {
    static let configurationFile = "kit.conf"

    /// Reads a kit's folder.
    public init(folder: String) throws(ProvisioningError) {
        let files = SystemFiles()
        let file = "\(folder)/\(Self.configurationFile)"
        guard let bytes = files.bytes(file) else { throw .failed(.missingInput, "cannot read \(file); make a kit with: vsmp kit create") }
        let (kitField, nodes, edition): (KeyValueText.Field?, Int?, String?)
        let sticks: StickRecord?
        do throws(TextError) {
            var text = try KeyValueText(bytes, place: file, .edited)
            kitField = try text.take("kit")
            nodes = if let field = try text.take("nodes") { try text.number(field, 1...Int(UInt8.max), unit: "boards") } else { nil }
            edition = try text.take("edition")?.value
            sticks = try Self.sticks(&text)
            try text.endOfKeys(known: ["kit", "nodes", "edition", "board", "firmware", "version"])
        } catch {
            throw .failed(.badInput, error.description)
        }
        guard let id = kitField?.value, let nodes else { throw .failed(.badInput, "\(file) lacks kit=ID or nodes=N") }
        let keyFile = Self.keyPath(in: folder)
        let key: ClusterKey
        do throws(TextError) { key = try ClusterKey(file: files.bytes(keyFile) ?? [], place: keyFile) } catch {
            throw .failed(.badInput, "\(error); this kit is lost, make another with: vsmp kit create")
        }
        try self.init(id: id, nodes: nodes, key: key)
        let licence = try Self.content(of: "\(folder)/\(StickLicence.licenceFile)")
        guard (licence == nil) == (edition == nil) else { throw .failed(.badInput, "\(folder): edition= and \(StickLicence.licenceFile) belong together") }
        self = with(sticks: sticks)
        if let licence {
            self = carrying(licence: licence, denyList: try Self.content(of: "\(folder)/\(StickLicence.denyListFile)"), edition: edition)
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
        var files = [(Self.configurationFile, Array(configurationText.utf8)), (StickFile.clusterKey.rawValue, key.file)]
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

    var configurationText: String {
        let fields = [
            ("kit", id), ("nodes", "\(nodes)"), ("edition", edition), ("board", sticks?.board), ("firmware", sticks?.firmware.description),
            ("version", sticks.map { "\($0.version)" }),
        ]
        return fields.compactMap { key, value in value.map { "\(key)=\($0)\n" } }.joined()
    }

    private static func sticks(_ text: inout KeyValueText) throws(TextError) -> StickRecord? {
        let (board, firmware, version) = (try text.take("board"), try text.take("firmware"), try text.take("version"))
        guard let firmware, let version else {
            if let alone = firmware ?? version ?? board { throw text.wrong(alone, "firmware= and version= together") }
            return nil
        }
        guard let hash = FirmwareHash(hexadecimal: firmware.value) else { throw text.wrong(firmware, "64 hexadecimal digits") }
        return StickRecord(board: board?.value, firmware: hash, version: try text.number(version, 0...UInt32.max))
    }

    /// Puts this kit's licence, deny list and edition into the folder of ``renewed(licence:denyList:edition:at:)``'s origin. The licence changes in one
    /// step; what an interruption leaves is the old kit or one that the same renewal makes whole.
    public func writeLicence(to folder: String) throws(ProvisioningError) {
        let old = try Kit(folder: folder)
        guard old.id == id, old.key == key, let licence else { preconditionFailure("another kit's folder") }
        var files: [(String, [UInt8])] = []
        if let denyList, denyList != old.denyList { files.append((StickLicence.denyListFile, denyList)) }
        files.append((StickLicence.licenceFile, licence))
        if edition != old.edition { files.append((Self.configurationFile, Array(configurationText.utf8))) }
        for (name, bytes) in files {
            do { try OutputFile.write(bytes, to: "\(folder)/\(name)", isSecret: true) } catch { throw .failed(.cannotCreate, "cannot renew the kit: \(error)") }
        }
    }

    /// The file that only its owner may read.
    public static func keyPath(in folder: String) -> String { StickFile.clusterKey.path(in: folder) }
}
