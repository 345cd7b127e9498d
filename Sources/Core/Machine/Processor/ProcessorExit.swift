/// Why a processor came back from guest code, decoded once. String port I/O arrives as `count` accesses whose bytes the back end
/// keeps until the next entry.
package enum ProcessorExit: Sendable {
    case portRead(port: UInt16, size: Int, count: Int)
    case portWrite(port: UInt16, size: Int, count: Int)
    case memoryRead(address: UInt64, size: Int)
    case memoryWrite(address: UInt64, size: Int, value: UInt64)
    case registerRead(msr: UInt32)
    case registerWrite(msr: UInt32, value: UInt64)
    case halt
    case interruptWindow
    case taskPriority
    case shutdown
    /// A kick: nothing happened in the guest.
    case kicked
    /// The back end could not go on; the numbers are its own.
    case failed(reason: UInt32, detail: UInt64)
}
