import Contract
import Bytes
internal import BoardSupport
internal import Disk
internal import FirmwareImage
internal import Machine
internal import Platform

/// The stick's last partition: a FAT file system called VSMP-CONFIG.
enum ConfigurationPartition {
    /// GPT name and FAT label.
    static let name = StickPartition.configuration.rawValue

    /// Makes the file system with mkfs.fat and mtools, without mounting anything, and returns it open for reading.
    ///
    /// It is made in memory where there is room, in a file without a name, because it holds the cluster key: nothing is left behind, whatever ends
    /// the command.
    static func build(
        _ personalisation: StickPersonalisation, size: Int, sectorSize: Int = GUIDPartitionTable.sectorSize
    ) throws(ProvisioningError) -> FileStore {
        let file: NamelessFile
        do { file = try NamelessFile(byteCount: size) } catch { throw .failed(.cannotCreate, error.description) }
        let number = String(CRC32.checksum("\(personalisation.kit.id)/\(personalisation.node)".utf8), radix: 16)
        let files = try files(of: personalisation)
        return try onDisk { () throws(DiskError) in
            do throws(SystemError) { try file.truncate(to: size) } catch { throw DiskError(.cannotCreate, "cannot make a file of \(size) bytes: \(error.reason)") }
            let isLarge = sectorSize > GUIDPartitionTable.sectorSize
            let bits = isLarge ? FATVolume.bits(size: size, sectorSize: sectorSize) : ImageLayout.configurationBits(size: size)
            try FATVolume.create(at: file.path, isThere: true, size: size, bits: bits, label: name, volumeNumber: number, sectorSize: sectorSize).put(files)
            return try FileStore(reading: file.path)
        }
    }

    /// The least that the partition must have for a personalisation, in bytes: whole MiB.
    static func size(of personalisation: StickPersonalisation) throws(ProvisioningError) -> Int {
        var bytes = 0
        for content in try files(of: personalisation).values {
            switch content {
            case .bytes(let content): bytes += content.count
            case .file(let path):
                guard let status = FileStatus(path) else { throw .failed(.missingInput, "cannot read the guest's \(path)") }
                guard status.kind == .file else { throw .failed(.badInput, "the guest's \(path) is no plain file: copy it into one") }
                guard status.size > 0 else { throw .failed(.badInput, "the guest's \(path) is empty") }
                guard status.size < 4 << 30 else { throw .failed(.badInput, "the guest's \(path) has \(status.size >> 20) MiB; FAT holds files below 4096 MiB") }
                bytes += status.size
            }
        }
        if let guest = personalisation.guest { try check(guest) }
        // Tables (at most 1/512 twice), the root folder and the rounding of each file to clusters.
        return ((bytes + bytes / 128 + (3 << 20) - 1) >> 20) << 20
    }

    /// Refuses what the board that starts the guest would refuse.
    private static func check(_ guest: StickPersonalisation.GuestPayload) throws(ProvisioningError) {
        let (header, size) = try onDisk { () throws(DiskError) in
            let file = try FileStore(reading: guest.kernel)
            return (try file.read(at: 0, count: min(file.byteCount, LinuxKernel.headerBytes)), file.byteCount)
        }
        do throws(BootError) { try LinuxKernel.check(header: header, fileSize: UInt64(size), operatorText: guest.commandLine) } catch {
            throw .failed(.badInput, "\(guest.kernel): \(error)")
        }
    }

    private static func files(of personalisation: StickPersonalisation) throws(ProvisioningError) -> [String: FATVolume.Content] {
        let kit = personalisation.kit
        var files: [String: FATVolume.Content] = [
            StickFile.machineConfiguration.rawValue: .bytes(Array(try personalisation.machineConfiguration().utf8)),
            StickFile.clusterKey.rawValue: .bytes(kit.key.file),
        ]
        files[StickLicence.licenceFile] = kit.licence.map { .bytes($0) }
        files[StickLicence.denyListFile] = kit.denyList.map { .bytes($0) }
        guard let guest = personalisation.guest else { return files }
        guard !guest.commandLine.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "\n") }) else {
            throw .failed(.badInput, "the guest's command line must be one line")
        }
        files[StickFile.guestKernel.rawValue] = .file(guest.kernel)
        files[StickFile.guestRAMDisk.rawValue] = guest.initrd.map { .file($0) }
        files[StickFile.guestCommandLine.rawValue] = .bytes(Array((guest.commandLine + "\n").utf8))
        return files
    }
}
