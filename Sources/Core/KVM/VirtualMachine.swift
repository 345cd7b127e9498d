package import Platform
import CKVM
package import Machine
import Glibc

/// One KVM virtual machine without an in-kernel interrupt chip: it holds only this node's processors.
/// (Linux Documentation/virt/kvm/api.rst.)
package final class VirtualMachine: Sendable {
    let kvm: FileDescriptor
    let descriptor: FileDescriptor
    let runSize: Int

    /// Opens /dev/kvm and makes a machine whose unknown MSRs, x2APIC registers and time MSRs exit.
    package init() throws(SystemError) {
        let kvm = FileDescriptor(owning: try checked(ckvm_open(), "open", on: "/dev/kvm"), as: "/dev/kvm")
        let version = try checked(ckvm_api_version(kvm.rawValue), "KVM_GET_API_VERSION", on: "/dev/kvm")
        guard version == 12 else { throw SystemError("KVM API version \(version), need 12", on: "/dev/kvm", code: ENOSYS) }
        let descriptor = FileDescriptor(owning: try checked(ckvm_create_vm(kvm.rawValue), "KVM_CREATE_VM", on: "/dev/kvm"), as: "virtual machine")
        try checked(ckvm_prepare_vm(descriptor.rawValue), "KVM_X86_SET_MSR_FILTER", on: "virtual machine")
        runSize = Int(try checked(ckvm_run_size(kvm.rawValue), "KVM_GET_VCPU_MMAP_SIZE", on: "/dev/kvm"))
        self.kvm = kvm
        self.descriptor = descriptor
    }

    /// Backs guest-physical `address` ..< `address + size` by `host`. Address space 1 is system-management mode's.
    package func map(
        addressSpace: UInt32 = 0, slot: UInt32, address: UInt64, size: UInt64, host: UnsafeMutableRawPointer
    ) throws(SystemError) {
        let status = unsafe ckvm_set_memory(descriptor.rawValue, addressSpace, slot, address, size, host)
        try checked(status, "KVM_SET_USER_MEMORY_REGION", on: "slot \(slot), \(size >> 20) MiB at 0x\(String(address, radix: 16))")
    }

    /// What this processor and KVM can offer a guest, leaf by leaf.
    package func supportedCPUID() throws(SystemError) -> CPUIDTable {
        var entries = [kvm_cpuid_entry2](repeating: kvm_cpuid_entry2(), count: 256)
        let count = unsafe entries.withUnsafeMutableBufferPointer { buffer in
            unsafe ckvm_supported_cpuid(kvm.rawValue, buffer.baseAddress, UInt32(buffer.count))
        }
        try checked(count, "KVM_GET_SUPPORTED_CPUID", on: "/dev/kvm")
        return CPUIDTable(kvm: entries.prefix(Int(count)))
    }

    /// The largest vCPU id plus one that this kernel accepts.
    package var processorIDLimit: UInt32 {
        let limit = ckvm_check_extension(kvm.rawValue, KVM_CAP_MAX_VCPU_ID)
        return limit > 0 ? UInt32(limit) : 1024
    }
}
