/// Which files of a boot partition are a bank's. A manifest names them without their folder, because the same firmware can lie in either bank.
extension Bank {
    /// A bank's UEFI program as its manifest calls it; on a stick its name tells bank and starts (``BootProgramName``).
    package static let program = "FIRMWARE.EFI"

    /// Where a file of the bank lies whose program has these starts left.
    package func path(of name: String, _ tries: BootTries) -> String {
        name == Self.program ? "\(BootProgramName.folder)/\(BootProgramName(self, tries).name)" : "\(folder)/\(name)"
    }

    /// What the program is called until everything of its bank was read back: systemd-boot starts names that end in `.efi` only.
    package var unfinishedProgram: String { "\(BootProgramName.folder)/\(BootProgramName(self, .new).name.dropLast(4)).new" }

    /// Whether a file of the boot partition belongs to the bank, finished or not.
    package func owns(_ path: String) -> Bool {
        let name = path.lowercased()
        return name.hasPrefix(folder.lowercased() + "/") || name == unfinishedProgram.lowercased() || BootProgramName(path: path)?.bank == self
    }
}
