import Contract
import Platform
import KVM
import Machine

extension MachineSession {
    func load(_ guest: GuestSource) throws {
        switch guest {
        case .linux(let kernel, let initialFileSystem, let commandLine):
            try loadLinux(kernel: kernel, initialFileSystem: initialFileSystem, commandLine: commandLine)
        case .flat(let flat): try loadFlat(flat)
        }
    }

    /// Writes bytes at guest-physical addresses, page by page, into pages of this home that nobody has touched.
    func populate(_ chunks: [(address: UInt64, bytes: ArraySlice<UInt8>)]) throws {
        var writer = PagePopulator()
        for chunk in chunks { try writer.write(chunk.bytes, at: chunk.address, to: loop) }
        try writer.flush(to: loop)
    }

    func configureBootstrap(_ body: (borrowing VirtualProcessor) throws(SystemError) -> Void) throws {
        try processors[0].configure(body)
    }

    private func loadFlat(_ flat: FlatGuest) throws {
        if setup.node == 0 { try populate(flat.chunks.map { ($0.address, $0.bytes[...]) }) }
        for (processor, description) in zip(processors, layout.processors(ofNode: setup.node)) {
            let entry = flat.entries[description.index]
            let start = ProcessorStart.flat(pageTables: flat.pageTables, ring: flat.ring, instruction: entry.rip, stack: entry.rsp)
            try processor.configure { (vcpu: borrowing VirtualProcessor) throws(SystemError) in
                try vcpu.setState(ProcessorState(start, apicBase: vcpu.apicBase))
            }
            processor.startImmediately()
        }
    }
}
