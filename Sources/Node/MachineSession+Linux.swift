import Platform
import KVM
import Machine

extension MachineSession {
    /// Places an unmodified Linux kernel by its 64-bit boot protocol and points the bootstrap processor at it.
    func loadLinux(kernel: [UInt8], initialFileSystem: [UInt8], commandLine: String) throws {
        let image = try LinuxKernel(header: Array(kernel.prefix(LinuxKernel.headerBytes)), fileSize: UInt64(kernel.count))
        let text = GuestCommandLine.make(
            tscKHz: clock.kilohertz, ticksPerSecond: 250, operatorText: commandLine)
        let plan = try BootPlan(
            layout: layout, kernel: image, initrdSize: UInt64(initialFileSystem.count), commandLine: text,
            acpi: ACPITables(layout: layout, identity: setup.identity.acpi), smbios: SMBIOSTables(setup.identity.smbios))
        let chunks = plan.chunks.sorted { $0.address < $1.address }.map { chunk in
            switch chunk.source {
            case .bytes(let bytes): (address: chunk.address.rawValue, bytes: bytes[...])
            case .kernelFile(let offset, let size): (chunk.address.rawValue, kernel[Int(offset)..<Int(offset + size)])
            case .initrdFile(let offset, let size):
                (chunk.address.rawValue, initialFileSystem[Int(offset)..<Int(offset + size)])
            }
        }
        try populate(chunks)
        try configureBootstrap { (vcpu: borrowing VirtualProcessor) throws(SystemError) in
            try vcpu.setState(ProcessorState(plan.bootstrap, apicBase: vcpu.apicBase))
        }
        setup.log("guest command line: \(text)")
    }
}
