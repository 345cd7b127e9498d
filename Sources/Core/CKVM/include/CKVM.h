// What Swift cannot call or import itself: KVM and userfaultfd ioctls (their numbers are macros), the kick
// signal's handler, and perf's memory-mapped ring. Every function returns a value >= 0, or -errno.
#pragma once
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One KVM_RUN exit, flattened from the kvm_run page (Linux Documentation/virt/kvm/api.rst, section 5).
struct ckvm_exit {
    uint32_t reason;
    uint32_t size;        // bytes of one access
    uint32_t count;       // repetitions (string I/O)
    bool is_write;
    uint16_t port;
    uint64_t address;     // MMIO guest-physical address, or internal error suberror
    uint64_t data;        // value written
    uint32_t msr;
    uint32_t msr_reason;
    uint64_t io_offset;   // where the count * size bytes lie inside the kvm_run mapping
};

int ckvm_open(void);
int ckvm_api_version(int kvm);
int ckvm_check_extension(int fd, int capability);
int ckvm_create_vm(int kvm);
int ckvm_run_size(int kvm);
int ckvm_prepare_vm(int vm);
int ckvm_set_memory(int vm, uint32_t address_space, uint32_t slot, uint64_t guest_address, uint64_t size, void *host);
int ckvm_create_vcpu(int vm, uint32_t id);
int ckvm_supported_cpuid(int kvm, struct kvm_cpuid_entry2 *entries, uint32_t capacity);
int ckvm_set_cpuid(int vcpu, const struct kvm_cpuid_entry2 *entries, uint32_t count);
int ckvm_get_regs(int vcpu, struct kvm_regs *regs);
int ckvm_set_regs(int vcpu, const struct kvm_regs *regs);
int ckvm_get_sregs(int vcpu, struct kvm_sregs *sregs);
int ckvm_set_sregs(int vcpu, const struct kvm_sregs *sregs);
int ckvm_set_msr(int vcpu, uint32_t index, uint64_t value);
int ckvm_interrupt(int vcpu, uint32_t vector);
int ckvm_nmi(int vcpu);
int ckvm_tsc_khz(int vcpu);
/* kHz of the time-stamp counter as the processor states it (CPUID 0x15, 0x16), 0 where it does not. */
uint32_t ckvm_stated_tsc_khz(void);
int ckvm_get_tsc_offset(int vcpu, uint64_t *offset);
int ckvm_set_tsc_offset(int vcpu, uint64_t offset);
int ckvm_enter_smm(int vcpu);

// Runs the vCPU once and decodes the exit. -EINTR when kicked. Clears immediate_exit.
int ckvm_run(int vcpu, struct kvm_run *run, struct ckvm_exit *out);
void ckvm_complete_mmio_read(struct kvm_run *run, uint64_t value, uint32_t size);
void ckvm_complete_msr(struct kvm_run *run, uint64_t value, bool fault);
void ckvm_request_window(struct kvm_run *run, bool on);
bool ckvm_ready_for_interrupt(const struct kvm_run *run);
bool ckvm_interrupt_flag(const struct kvm_run *run);
uint64_t ckvm_cr8(const struct kvm_run *run);
void ckvm_set_cr8(struct kvm_run *run, uint64_t value);
uint64_t ckvm_apic_base(const struct kvm_run *run);

// Kicks: a signal whose handler sets immediate_exit in the run page of the thread it lands on.
int ckvm_install_kick(void);
void ckvm_bind_run(struct kvm_run *run);
int ckvm_thread_id(void);
int ckvm_kick(int thread_id);

struct cuffd_event { uint64_t address; uint32_t thread_id; bool is_write; bool is_protect; };
int cuffd_open(void);
int cuffd_register(int uffd, void *start, uint64_t length);
int cuffd_read(int uffd, struct cuffd_event *events, int capacity);
int cuffd_copy(int uffd, void *destination, const void *source, uint64_t length, bool write_protected, uint64_t *done);
int cuffd_protect(int uffd, void *start, uint64_t length, bool on, bool wake);
int cuffd_wake(int uffd, void *start, uint64_t length);

// One ring per processor of a perf tracepoint event whose payload has a 64-bit field at gfn_offset.
struct cperf_ring { int fd; void *base; uint64_t size; };
int cperf_open(struct cperf_ring *ring, uint64_t event, int cpu, uint32_t data_pages);
void cperf_close(struct cperf_ring *ring);
// Returns the number of fields read; sets *lost when records were dropped.
int cperf_drain(struct cperf_ring *ring, uint32_t field_offset, uint64_t *fields, int capacity, bool *lost);
