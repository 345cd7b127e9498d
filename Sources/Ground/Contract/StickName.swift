/// The partitions of an image and a stick, by GPT name.
package enum StickPartition: String, CaseIterable, Sendable {
    /// GRUB's core, for BIOS.
    case bios = "VSMP-BIOS"
    /// Boot loaders and banks.
    case boot = "VSMP-BOOT"
    /// What the node remembers.
    case state = "VSMP-STATE"
    /// What makes one stick of one kit.
    case configuration = "VSMP-CONFIG"
}

/// The files of the partition VSMP-CONFIG; a kit's folder has some of them under the same names.
package enum StickFile: String, CaseIterable, Sendable {
    case machineConfiguration = "machine.conf"
    case clusterKey = "cluster.key"
    case licence = "license.vsl"
    case denyList = "deny.vsl"
    case guestKernel = "guest/vmlinuz"
    case guestRAMDisk = "guest/initrd"
    case guestCommandLine = "guest/cmdline"

    package func path(in folder: String) -> String { "\(folder)/\(rawValue)" }
}
