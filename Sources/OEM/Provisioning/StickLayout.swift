internal import Contract
internal import Disk
internal import FirmwareImage

/// Where everything lies on a stick, known before the first byte is written: the image, its configuration partition made larger where the guest
/// needs that, and the partition table fitted to the stick.
struct StickLayout {
    /// The first bytes up to the first partition, and the last ones: nothing finds a partition before these are there.
    let head: [UInt8]
    let tail: GUIDPartitionTable.Piece
    /// The last partition.
    let configuration: GUIDPartitionTable.Partition
    /// Where what lies between head and tail ends, and bytes of the stick.
    let imageEnd: Int
    let targetSize: Int
    /// Bytes of the stick's sectors: 512 or 4096.
    let sectorSize: Int
    /// The partition with the boot loaders and banks, whose file system is made anew where the stick's sectors are larger than the image's.
    let remade: GUIDPartitionTable.Partition?

    /// Bytes before the first partition: table and boot code, which are in memory.
    private static let largestHead = 4 << 20

    /// - Parameters:
    ///   - available: bytes of the stick; nil for a file, which becomes as large as it has to.
    ///   - sectorSize: of the stick.
    ///   - needed: bytes that the configuration partition must have; 0 takes the image's size.
    ///   - target: what a message calls the stick.
    init(
        _ image: ImageFile, available: Int?, sectorSize: Int = GUIDPartitionTable.sectorSize, needed: Int, target: String
    ) throws(ProvisioningError) {
        var table = image.partitionTable
        if let damage = table.damage {
            throw .failed(.badInput, "\(image.name): of its partition table \(damage): mend it first with vsmp usb repair \(image.name)")
        }
        let store = try onDisk { () throws(DiskError) in try FileStore(reading: image.path) }
        guard var place = table.partition(named: ConfigurationPartition.name), !table.partitions.contains(where: { $0.offset > place.offset }),
            let start = table.partitions.map(\.offset).min(), start <= Self.largestHead
        else { throw .failed(.badInput, "\(image.name) is no firmware image: its last partition is not \(ConfigurationPartition.name)") }

        // A stick that serves as image may be larger than what it was written from: at most 1 MiB lies behind its last partition.
        let imageSize = min(store.byteCount, (((place.offset + place.size + (1 << 20) - 1) >> 20) + 1) << 20)
        var end = imageSize - table.backupSize
        var least = imageSize
        if needed > place.size {
            least += needed - place.size
            end = place.offset + needed
            place.size = needed
            table.resizeLast(to: needed)
        }
        let size = available ?? least
        guard size >= least else {
            let room = max(0, size - (least - place.size)) >> 20
            throw .failed(
                .stickTooSmall,
                size >= imageSize
                    ? "the guest needs a partition \(ConfigurationPartition.name) of \(needed >> 20) MiB, and \(target) has room for \(room) MiB: "
                        + "use a larger stick or a smaller initrd"
                    : "\(target) has \(size) bytes, the image needs \(imageSize): use a larger stick")
        }
        guard let pieces = table.pieces(forDiskSize: size, sectorSize: sectorSize) else {
            throw .failed(.badInput, "\(target) has sectors of \(sectorSize) bytes, and the partitions of \(image.name) do not begin with such: use a stick with sectors of 512 bytes")
        }
        var head = try onDisk { () throws(DiskError) in try store.read(at: 0, count: start) }
        if size != store.byteCount || sectorSize != table.sectorSize {
            head.replaceSubrange(..<512, with: GUIDPartitionTable.protect(Array(head[..<512]), diskSize: size, sectorSize: sectorSize))
        }
        if sectorSize != table.sectorSize { head.replaceSubrange(512..., with: [UInt8](repeating: 0, count: start - 512)) }
        head.replaceSubrange(pieces.primary.offset..<pieces.primary.offset + pieces.primary.bytes.count, with: pieces.primary.bytes)
        self.sectorSize = sectorSize
        remade = sectorSize == table.sectorSize ? nil : table.partition(named: StickPartition.boot.rawValue)
        self.head = head
        tail = pieces.backup
        configuration = place
        // On larger sectors the backup takes more.
        imageEnd = min(end, tail.offset) / sectorSize * sectorSize
        targetSize = size
    }
}
