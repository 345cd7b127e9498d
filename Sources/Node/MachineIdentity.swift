package import Machine

/// The maker's names in what the guest reads.
package struct MachineIdentity: Sendable, Equatable {
    package var acpi: ACPITables.Identity
    package var smbios: SMBIOSTables.Identity

    package init(acpi: ACPITables.Identity = ACPITables.Identity(), smbios: SMBIOSTables.Identity = SMBIOSTables.Identity()) {
        self.acpi = acpi
        self.smbios = smbios
    }
}
