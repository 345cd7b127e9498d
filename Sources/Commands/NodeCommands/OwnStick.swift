internal import Contract
internal import Platform
import BoardSupport

/// The disk that holds this machine's partition VSMP-CONFIG, as sysfs shows it (Linux, Documentation/ABI/stable/sysfs-block).
struct OwnStick {
    /// The folders from `/sys` down to the disk: ../../devices/pci.../usb2/2-1/2-1:1.0/host0/.../block/sda.
    let disk: [String]
    private let files: SystemFiles
    private static let folder = "/sys/class/block"

    /// Nil when no disk, or more than one, has such a partition.
    init?(_ files: SystemFiles) {
        let configurations = Self.partitions(named: StickPartition.configuration.rawValue, files)
        guard configurations.count == 1, let disk = Self.disk(of: configurations[0], files), !disk.isEmpty else { return nil }
        self.disk = disk
        self.files = files
    }

    /// The device file of another partition of the same disk.
    func device(ofPartition name: String) -> String? {
        Self.partitions(named: name, files).first { Self.disk(of: $0, files) == disk }.map { "/dev/\($0)" }
    }

    private static func partitions(named name: String, _ files: SystemFiles) -> [String] {
        files.names(in: folder).filter { files.text("\(folder)/\($0)/uevent")?.contains("PARTNAME=\(name)\n") == true }
    }

    /// The disk is above the partition.
    private static func disk(of partition: String, _ files: SystemFiles) -> [String]? {
        files.linkTarget("\(folder)/\(partition)").map { $0.split(separator: "/").drop { $0 == ".." }.dropLast().map(String.init) }
    }
}
