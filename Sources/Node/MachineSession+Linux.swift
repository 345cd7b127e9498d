import Platform
import KVM
import Machine

extension MachineSession {
    /// Places an unmodified Linux kernel by its 64-bit boot protocol and points the bootstrap processor at it.
    func loadLinux(kernel: [UInt8], initialFileSystem: [UInt8], commandLine: String) throws {
        let image = try LinuxKernel(header: Array(kernel.prefix(LinuxKernel.headerBytes)), fileSize: UInt64(kernel.count))
        let text = GuestCommandLine.make(
            tscKHz: clock.kilohertz, ticksPerSecond: LinuxKernel.ticksPerSecond(version: LinuxKernel.version(of: kernel)), operatorText: commandLine)
        let names = setup.identity.smbios
        let answers = setup.plan.cpuid.machineTable(layout: layout, apicID: layout.processors[0].apicID, tscKHz: clock.kilohertz)
        let processor = ProcessorModel(answers, tscKHz: clock.kilohertz)
        let acpi = ACPITables(
            layout: layout, identity: setup.identity.acpi, room: SMBIOSTables.size(names, layout: layout, processor: processor))
        let plan = try BootPlan(
            layout: layout, kernel: image, initrdSize: UInt64(initialFileSystem.count), commandLine: text,
            acpi: acpi, smbios: SMBIOSTables(names, layout: layout, processor: processor, at: acpi.room))
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
