import CKVM

/// Why a virtual processor came back from KVM_RUN, decoded once. String port I/O arrives as `count` accesses
/// whose bytes stay in the run page until the next run.
package enum Exit {
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
    /// A kick, or a signal: nothing happened in the guest.
    case kicked
    /// KVM could not go on; the sub-error is KVM's.
    case failed(reason: UInt32, detail: UInt64)

    init(_ raw: ckvm_exit) {
        switch Int32(bitPattern: raw.reason) {
        case KVM_EXIT_IO where raw.is_write:
            self = .portWrite(port: raw.port, size: Int(raw.size), count: Int(raw.count))
        case KVM_EXIT_IO:
            self = .portRead(port: raw.port, size: Int(raw.size), count: Int(raw.count))
        case KVM_EXIT_MMIO where raw.is_write:
            self = .memoryWrite(address: raw.address, size: Int(raw.size), value: raw.data)
        case KVM_EXIT_MMIO:
            self = .memoryRead(address: raw.address, size: Int(raw.size))
        case KVM_EXIT_X86_RDMSR: self = .registerRead(msr: raw.msr)
        case KVM_EXIT_X86_WRMSR: self = .registerWrite(msr: raw.msr, value: raw.data)
        case KVM_EXIT_HLT: self = .halt
        case KVM_EXIT_IRQ_WINDOW_OPEN: self = .interruptWindow
        case KVM_EXIT_SET_TPR: self = .taskPriority
        case KVM_EXIT_SHUTDOWN: self = .shutdown
        case KVM_EXIT_INTR: self = .kicked
        default: self = .failed(reason: raw.reason, detail: raw.address)
        }
    }
}
