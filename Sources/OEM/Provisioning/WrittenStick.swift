internal import BoardSupport
public import Contract
internal import Disk
public import FirmwareImage

/// What a stick says that it is: the firmware on it, and the kit it belongs to.
public struct WrittenStick: Sendable, Equatable, Codable {
    public var brand: String
    public var board: String
    /// Of the newest firmware that is not bad.
    public var version: UInt32
    public var firmwareHash: FirmwareHash
    /// Nil for a stick that joins no machine.
    public var kit: String?
    public var node: NodeIndex?

    /// Nil for what is no stick of vSMP, or cannot be read.
    public init?(at path: String) {
        guard let file = try? ImageFile(path), let reader = try? ImageReader(file) else { return nil }
        self.init(of: reader)
    }

    public init(of reader: ImageReader) {
        brand = reader.manifest.brand
        board = reader.manifest.board
        version = reader.manifest.version
        firmwareHash = reader.manifest.firmwareHash
        guard let bytes = try? reader.image.volume(ConfigurationPartition.name)?.read(StickFile.machineConfiguration.rawValue), let machine = try? MachineConfiguration(bytes) else { return }
        kit = machine.kit
        node = machine.node
    }

    /// In words, for a list.
    public var description: String {
        let what = "\(brand) for \(board), version \(version)"
        return place.map { "\(what), \($0)" } ?? what
    }

    /// Which stick of which kit; nil for one that joins no machine.
    var place: String? {
        guard let kit, let node else { return nil }
        return "stick \(node.position + 1) of \(kit)"
    }
}
