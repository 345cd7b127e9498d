package import Platform
internal import BoardSupport
internal import USB

/// All disks of a computer, read from /sys/block, /proc/self/mountinfo and /proc/swaps, and the first sectors of the
/// disks themselves where they may be read.
public struct BlockDeviceInventory: Sendable {
    /// In the kernel's naming order.
    public let devices: [BlockDevice]
    private let files: SystemFiles

    /// - Parameter root: prefix of /sys, /proc and /dev; empty for the running system.
    public init(root: String = "") {
        let files = SystemFiles(root: root)
        let mounts = MountTable(files)
        let swaps = Self.swapNames(files)
        let rootDisks = Self.disks(under: mounts.entries.last { $0.place == "/" }, files: files)
        self.init(
            files.names(in: "/sys/block").map { name in
                Self.device(name, files: files, mounts: mounts, swaps: swaps, holdsRoot: rootDisks.contains(name))
            }, files)
    }

    package init(_ devices: [BlockDevice], _ files: SystemFiles = SystemFiles()) {
        self.devices = devices
        self.files = files
    }

    /// The disk called `name`, for example `sdb`, or nil.
    public func device(_ name: String) -> BlockDevice? { devices.first { $0.name == name } }

    /// The disk or partition's disk with this `major:minor`, or nil; `isPartition` tells which it was.
    func device(number: String) -> (device: BlockDevice, isPartition: Bool)? {
        for device in devices {
            if device.number == number { return (device, false) }
            if device.partitions.contains(where: { $0.number == number }) { return (device, true) }
        }
        return nil
    }

    /// Names of the disks that carry a file: through partitions, device mapper and RAID.
    ///
    /// - Parameters:
    ///   - number: `major:minor` of the file system, from stat(2).
    ///   - path: the file's absolute path, for file systems with numbers of their own (btrfs, overlay).
    func disks(holding number: String, path: String) -> Set<String> {
        let mounts = MountTable(files)
        let direct = Self.disks(number: number, files: files)
        return direct.isEmpty ? Self.disks(under: mounts.entry(for: path), files: files) : direct
    }

    private static func device(
        _ name: String, files: SystemFiles, mounts: MountTable, swaps: Set<String>, holdsRoot: Bool
    ) -> BlockDevice {
        let folder = "/sys/block/\(name)"
        let size = bytes(files, folder + "/size")
        let partitions = files.names(in: folder).compactMap { part -> BlockDevice.Partition? in
            guard files.exists("\(folder)/\(part)/partition") else { return nil }
            return BlockDevice.Partition(
                name: part, number: files.line("\(folder)/\(part)/dev") ?? "",
                offset: bytes(files, "\(folder)/\(part)/start"), size: bytes(files, "\(folder)/\(part)/size"))
        }
        let number = files.line(folder + "/dev") ?? ""
        let parts = [(name, number, folder)] + partitions.map { ($0.name, $0.number, "\(folder)/\($0.name)") }
        let ancestors = Self.ancestors(of: name, files: files)
        return BlockDevice(
            name: name, number: number, size: size,
            serial: (["/sys/block/\(name)"] + ancestors).lazy.compactMap { files.line($0 + "/serial") }.first,
            model: model(folder, files), isRemovable: files.line(folder + "/removable") == "1",
            isReadOnly: files.line(folder + "/ro") == "1", port: USBDisks.port(ofDisk: name, files),
            sectorSize: files.number(folder + "/queue/logical_block_size") ?? 512, partitions: partitions,
            mounts: parts.flatMap { part in
                mounts.entries.filter { $0.number == part.1 || $0.source == "/dev/" + part.0 }
                    .map { BlockDevice.Mount(device: part.0, place: $0.place) }
            },
            swap: parts.map(\.0).filter(swaps.contains),
            holders: parts.flatMap { part in
                files.names(in: part.2 + "/holders").map {
                    BlockDevice.Holder(part: part.0, holder: $0, kind: holderKind($0, files))
                }
            },
            signatures: StorageSignature.find(
                on: "/dev/" + name, size: size, parts: partitions.map { ($0.name, $0.offset, $0.size) }, name: name,
                files: files),
            holdsRoot: holdsRoot)
    }

    /// Sectors of 512 bytes, whatever the disk's own sector size is (Documentation/ABI/stable/sysfs-block).
    private static func bytes(_ files: SystemFiles, _ path: String) -> Int {
        let (bytes, overflow) = (files.number(path) ?? 0).multipliedReportingOverflow(by: 512)
        return overflow ? 0 : max(0, bytes)
    }

    private static func model(_ folder: String, _ files: SystemFiles) -> String? {
        let words = [files.line(folder + "/device/vendor"), files.line(folder + "/device/model")].compactMap { $0 }
            .filter { !$0.hasPrefix("0x") }
        return words.isEmpty ? nil : words.joined(separator: " ")
    }

    /// Folders of the devices above a disk, nearest first: a stick's serial number belongs to its USB device.
    private static func ancestors(of name: String, files: SystemFiles) -> [String] {
        guard let target = files.linkTarget("/sys/block/" + name) else { return ["/sys/block/\(name)/device"] }
        var parts = target.split(separator: "/").map(String.init).drop { $0 == ".." }
        var folders: [String] = []
        while parts.count > 2, folders.count < 16 {
            parts = parts.dropLast()
            folders.append("/sys/" + parts.joined(separator: "/"))
        }
        return folders
    }

    private static func swapNames(_ files: SystemFiles) -> Set<String> {
        let lines = (files.text("/proc/swaps") ?? "").split(separator: "\n").dropFirst()
        return Set(
            lines.compactMap { $0.split(whereSeparator: \.isWhitespace).first }.filter { $0.hasPrefix("/dev/") }
                .map { path in
                    let name = String(path.dropFirst("/dev/".count))
                    return files.linkName(String(path)) ?? name
                })
    }

    private static func holderKind(_ holder: String, _ files: SystemFiles) -> String {
        if files.exists("/sys/block/\(holder)/md") || holder.hasPrefix("md") { return "RAID" }
        let uuid = files.line("/sys/block/\(holder)/dm/uuid") ?? ""
        if uuid.hasPrefix("LVM-") { return "LVM" }
        return uuid.hasPrefix("CRYPT-") ? "LUKS" : "device mapper"
    }

    private static func disks(under mount: MountTable.Entry?, files: SystemFiles) -> Set<String> {
        guard let mount else { return [] }
        let direct = disks(number: mount.number, files: files)
        guard direct.isEmpty, mount.source.hasPrefix("/dev/") else { return direct }
        return disks(named: files.linkName(mount.source) ?? String(mount.source.dropFirst(5)), files: files, depth: 0)
    }

    private static func disks(number: String, files: SystemFiles) -> Set<String> {
        for name in files.names(in: "/sys/block") {
            if files.line("/sys/block/\(name)/dev") == number { return disks(named: name, files: files, depth: 0) }
            for part in files.names(in: "/sys/block/\(name)")
            where files.exists("/sys/block/\(name)/\(part)/partition")
                && files.line("/sys/block/\(name)/\(part)/dev") == number
            {
                return disks(named: name, files: files, depth: 0)
            }
        }
        return []
    }

    /// Follows `slaves` down to real disks; a partition's name gives its disk.
    private static func disks(named name: String, files: SystemFiles, depth: Int) -> Set<String> {
        var disk = name
        if !files.exists("/sys/block/\(name)") {
            guard let parent = files.names(in: "/sys/block").first(where: { files.exists("/sys/block/\($0)/\(name)/partition") })
            else { return [] }
            disk = parent
        }
        let slaves = files.names(in: "/sys/block/\(disk)/slaves")
        guard !slaves.isEmpty, depth < 8 else { return [disk] }
        return slaves.reduce(into: [disk]) { $0.formUnion(disks(named: $1, files: files, depth: depth + 1)) }
    }
}
