import CKVM
import Machine

extension CPUIDTable {
    /// What KVM says it supports.
    init(kvm entries: some Sequence<kvm_cpuid_entry2>) {
        self.init(
            entries: entries.map {
                Entry(
                    function: $0.function, index: $0.index, flags: $0.flags, eax: $0.eax, ebx: $0.ebx, ecx: $0.ecx, edx: $0.edx)
            })
    }

    /// The form KVM_SET_CPUID2 takes.
    var kvmEntries: [kvm_cpuid_entry2] {
        entries.map { entry in
            var raw = kvm_cpuid_entry2()
            raw.function = entry.function
            raw.index = entry.index
            raw.flags = entry.flags
            raw.eax = entry.eax
            raw.ebx = entry.ebx
            raw.ecx = entry.ecx
            raw.edx = entry.edx
            return raw
        }
    }
}
