internal import Contract
internal import BoardSupport
internal import StickState

/// Where things lie on the stick. All sizes in bytes, all starts on whole MiB.
public enum ImageLayout {
    public static let sectorSize = 512
    static let mebibyte = 1 << 20

    /// GPT type UUIDs (UEFI specification 2.10, table 5.7; GRUB manual, "BIOS installation").
    static let biosBootType = "21686148-6449-6E6F-744E-656564454649"
    static let systemType = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
    static let dataType = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
    /// Our own, so that no system offers to format it.
    static let stateType = "6D5B1A52-6F3C-4E0B-9C0E-3F1D7A5C2E84"

    static let biosBootStart = mebibyte
    static let biosBootSize = mebibyte
    static let systemStart = 2 * mebibyte

    /// The boot partition: GPT name and FAT label.
    public static let systemName = StickPartition.boot.rawValue

    /// The personalisation's partition: GPT name, FAT label, and its size in an image unless its builder chooses another one.
    public static let configurationName = StickPartition.configuration.rawValue
    public static let usualConfigurationSize = 96 * mebibyte
    /// From what FAT16 needs to the clusters of 32 KiB that every system reads as FAT32.
    public static let configurationSizes = 16 * mebibyte...32 * 1024 * mebibyte

    /// FAT16 or FAT32, whichever has clusters of a few KiB at that size.
    package static func configurationBits(size: Int) -> Int { size < 512 * mebibyte ? 16 : 32 }

    static func stateStart(systemSize: Int) -> Int { systemStart + systemSize }
    static func configurationStart(systemSize: Int) -> Int { stateStart(systemSize: systemSize) + StateStore.partitionSize }
    /// One MiB at the end holds the second partition table.
    static func imageSize(systemSize: Int, configurationSize: Int) -> Int {
        configurationStart(systemSize: systemSize) + configurationSize + mebibyte
    }

    /// The input for sfdisk(8). Every identifier follows from the firmware hash, so equal content gives equal bytes.
    static func script(systemSize: Int, configurationSize: Int, hash: FirmwareHash) -> String {
        func line(_ start: Int, _ size: Int, _ type: String, _ name: String) -> String {
            "start=\(start / sectorSize), size=\(size / sectorSize), type=\(type), uuid=\(hash.uuid(for: name)), "
                + "name=\"\(name)\"\n"
        }
        return "label: gpt\nlabel-id: \(hash.uuid(for: "disk"))\nunit: sectors\nfirst-lba: 34\n\n"
            + line(biosBootStart, biosBootSize, biosBootType, StickPartition.bios.rawValue)
            + line(systemStart, systemSize, systemType, systemName)
            + line(stateStart(systemSize: systemSize), StateStore.partitionSize, stateType, StateStore.partitionName)
            + line(
                configurationStart(systemSize: systemSize), configurationSize, dataType, configurationName)
    }
}
