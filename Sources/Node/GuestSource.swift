/// What runs in the machine.
package enum GuestSource: Sendable {
    /// A Linux kernel and its initial file system, read by node 0 when the machine starts.
    case linux(kernel: [UInt8], initialFileSystem: [UInt8], commandLine: String)
    /// Flat 64-bit code for tests: chunks of memory, and where each processor starts.
    case flat(FlatGuest)
}

/// A guest without an operating system: every processor starts in 64-bit mode at its own entry.
package struct FlatGuest: Sendable {
    package var chunks: [(address: UInt64, bytes: [UInt8])]
    package var pageTables: UInt64
    /// By processor index: instruction pointer and stack pointer.
    package var entries: [(rip: UInt64, rsp: UInt64)]
    /// Privilege level, 0 or 3.
    package var ring: UInt8

    package init(chunks: [(address: UInt64, bytes: [UInt8])], pageTables: UInt64, entries: [(rip: UInt64, rsp: UInt64)], ring: UInt8) {
        self.chunks = chunks
        self.pageTables = pageTables
        self.entries = entries
        self.ring = ring
    }
}
