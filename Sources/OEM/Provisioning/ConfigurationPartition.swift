internal import Platform
import Contract
import Bytes
internal import BoardSupport
internal import FirmwareImage

/// The stick's last partition: a FAT file system called VSMP-CONFIG.
enum ConfigurationPartition {
    /// GPT name and FAT label.
    static let name = "VSMP-CONFIG"

    /// Makes the file system with mkfs.fat and mtools, without mounting anything, and returns it open for reading.
    ///
    /// It is made in a private folder in memory (/dev/shm) where there is one, because it holds the cluster key. The
    /// folder is gone before this returns, so nothing is left behind when the command is interrupted while writing.
    static func build(_ personalisation: StickPersonalisation, size: Int) throws(ProvisioningError) -> DeviceFile {
        let folder = try PrivateFolder(byteCount: size)
        let image = folder.path + "/config.fat"
        try folder.write("machine.conf", Array(try personalisation.machineConfiguration().utf8))
        try folder.write("cluster.key", Array((personalisation.kit.key.hexadecimal + "\n").utf8))
        let number = String(CRC32.checksum("\(personalisation.kit.id)/\(personalisation.node)".utf8), radix: 16)
        try run("mkfs.fat", ["--invariant", "-i", number, "-n", name, "-C", image, String(size / 1024)])
        try run("mcopy", ["-i", image, folder.path + "/machine.conf", folder.path + "/cluster.key", "::"])
        for (name, bytes) in [(StickLicence.licenceFile, personalisation.kit.licence), (StickLicence.denyListFile, personalisation.kit.denyList)] {
            guard let bytes else { continue }
            try folder.write(name, bytes)
            try run("mcopy", ["-i", image, "\(folder.path)/\(name)", "::"])
        }
        if let guest = personalisation.guest { try add(guest, to: image, in: folder, size: size) }
        return try DeviceFile(reading: image, direct: false)
    }

    private static func add(
        _ guest: StickPersonalisation.GuestPayload, to image: String, in folder: borrowing PrivateFolder, size: Int
    ) throws(ProvisioningError) {
        guard !guest.commandLine.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "\n") }) else {
            throw .failed(.badInput, "the guest's command line must be one line")
        }
        var payload = 0
        for path in [guest.kernel, guest.initrd].compactMap({ $0 }) {
            guard let status = FileStatus(path), status.kind == .file else {
                throw .failed(.missingInput, "cannot read the guest payload \(path)")
            }
            payload += status.size
        }
        // FAT tables, the root folder and cluster rounding take less than 2 MiB of a partition of this size.
        guard payload < size - (2 << 20) else {
            throw .failed(
                .badInput,
                "the guest payload has \(payload >> 20) MiB, the partition \(name) holds \((size >> 20) - 2) MiB; "
                    + "use a smaller initrd")
        }
        try folder.write("cmdline", Array((guest.commandLine + "\n").utf8))
        try run("mmd", ["-i", image, "::/guest"])
        try run("mcopy", ["-i", image, guest.kernel, "::/guest/vmlinuz"])
        if let initrd = guest.initrd { try run("mcopy", ["-i", image, initrd, "::/guest/initrd"]) }
        try run("mcopy", ["-i", image, folder.path + "/cmdline", "::/guest/cmdline"])
    }

    private static func run(_ tool: String, _ arguments: [String]) throws(ProvisioningError) {
        do { try HostProgram(tool).run(arguments) } catch {
            if let shortage = TemporaryFolder.shortage { throw .failed(.cannotCreate, shortage.description) }
            throw .failed(error.reason == .notInstalled ? .unavailable : .inputOutput, "cannot make the partition \(name): \(error)")
        }
    }
}

/// A folder that disappears with the value, in memory where there is room.
struct PrivateFolder: ~Copyable {
    private let folder: TemporaryFolder
    var path: String { folder.path }

    /// - Parameter byteCount: of all that it will hold.
    init(byteCount: Int) throws(ProvisioningError) {
        do { folder = try TemporaryFolder(secret: "private", byteCount: byteCount) } catch { throw .failed(.cannotCreate, error.description) }
    }

    borrowing func write(_ name: String, _ bytes: [UInt8]) throws(ProvisioningError) {
        do { try folder.write(name, bytes) } catch { throw .failed(.cannotCreate, error.description) }
    }
}
