internal import Bytes
internal import BoardSupport
internal import Contract
internal import Disk
internal import FirmwareImage
internal import Platform

/// An image's file system made anew for sticks with larger sectors: a FAT file system's sectors must not be smaller than the disk's (the kernel's vfat
/// refuses such, and EDK II's FAT driver does).
struct RemadeVolume: ~Copyable {
    let store: FileStore
    /// What of it is used, in bytes from its own beginning.
    let map: BlockMap

    /// - Parameter partition: of the image.
    init(_ partition: GUIDPartitionTable.Partition, of image: ImageFile, sectorSize: Int) throws(DiskError) {
        let volume = FATVolume(partition, of: image.path, shownAs: image.name)
        var files: [String: FATVolume.Content] = [:]
        for path in try volume.files() { files[path] = .bytes(try volume.content(of: path)) }
        let folder: TemporaryFolder
        do throws(TemporaryFolderError) { folder = try TemporaryFolder("large-sectors") } catch { throw DiskError(.cannotCreate, error.description) }
        let path = folder.path + "/volume.fat"
        let bits = FATVolume.bits(size: partition.size, sectorSize: sectorSize)
        let number = String(CRC32.checksum(Array("\(image.partitionTable.partitions)".utf8)), radix: 16)
        try FATVolume.create(at: path, size: partition.size, bits: bits, label: partition.name, volumeNumber: number, sectorSize: sectorSize).put(files)
        let made = try FileStore(reading: path)
        map = try BlockMap(ofPartition: 0..<partition.size, in: made)
        store = made
    }
}
