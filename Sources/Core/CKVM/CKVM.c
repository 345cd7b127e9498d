#define _GNU_SOURCE
#include "CKVM.h"
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

int ckvm_open(void) { return result(open("/dev/kvm", O_RDWR | O_CLOEXEC)); }
int ckvm_api_version(int kvm) { return result(ioctl(kvm, KVM_GET_API_VERSION, 0)); }
int ckvm_check_extension(int fd, int capability) { return result(ioctl(fd, KVM_CHECK_EXTENSION, capability)); }
int ckvm_create_vm(int kvm) { return result(ioctl(kvm, KVM_CREATE_VM, 0)); }
int ckvm_run_size(int kvm) { return result(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0)); }

// Task-state and identity-map pages out of guest RAM's way; unknown MSRs and the three that carry guest time
// (TSC, TSC_ADJUST, TSC_DEADLINE) exit to user space.
int ckvm_prepare_vm(int vm) {
    if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) < 0) return -errno;
    uint64_t identity = 0xfffbc000UL;
    if (ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 && errno != ENOTTY && errno != EINVAL) return -errno;
    struct kvm_enable_cap msr = {.cap = KVM_CAP_X86_USER_SPACE_MSR};
    msr.args[0] = KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER;
    if (ioctl(vm, KVM_ENABLE_CAP, &msr) < 0) return -errno;
    static unsigned char deny[8];
    static const uint32_t denied[] = {0x10, 0x3b, 0x6e0};
    struct kvm_msr_filter filter = {.flags = KVM_MSR_FILTER_DEFAULT_ALLOW};
    for (int i = 0; i < 3; i++)
        filter.ranges[i] = (struct kvm_msr_filter_range){
            .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, .nmsrs = 1, .base = denied[i], .bitmap = deny};
    return result(ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter));
}

int ckvm_set_memory(int vm, uint32_t address_space, uint32_t slot, uint64_t guest_address, uint64_t size, void *host) {
    struct kvm_userspace_memory_region region = {
        .slot = address_space << 16 | slot, .guest_phys_addr = guest_address, .memory_size = size,
        .userspace_addr = (uintptr_t)host};
    return result(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
}

int ckvm_create_vcpu(int vm, uint32_t id) { return result(ioctl(vm, KVM_CREATE_VCPU, (unsigned long)id)); }

static int cpuid_call(int fd, unsigned long request, struct kvm_cpuid_entry2 *entries, uint32_t count, bool out) {
    struct kvm_cpuid2 *table = calloc(1, sizeof *table + count * sizeof *entries);
    if (!table) return -ENOMEM;
    table->nent = count;
    if (!out) memcpy(table->entries, entries, count * sizeof *entries);
    int status = result(ioctl(fd, request, table));
    if (status >= 0 && out) {
        memcpy(entries, table->entries, table->nent * sizeof *entries);
        status = (int)table->nent;
    }
    free(table);
    return status;
}

int ckvm_supported_cpuid(int kvm, struct kvm_cpuid_entry2 *entries, uint32_t capacity) {
    return cpuid_call(kvm, KVM_GET_SUPPORTED_CPUID, entries, capacity, true);
}
int ckvm_set_cpuid(int vcpu, const struct kvm_cpuid_entry2 *entries, uint32_t count) {
    return cpuid_call(vcpu, KVM_SET_CPUID2, (struct kvm_cpuid_entry2 *)entries, count, false);
}
int ckvm_get_regs(int vcpu, struct kvm_regs *regs) { return result(ioctl(vcpu, KVM_GET_REGS, regs)); }
int ckvm_set_regs(int vcpu, const struct kvm_regs *regs) { return result(ioctl(vcpu, KVM_SET_REGS, regs)); }
int ckvm_get_sregs(int vcpu, struct kvm_sregs *sregs) { return result(ioctl(vcpu, KVM_GET_SREGS, sregs)); }
int ckvm_set_sregs(int vcpu, const struct kvm_sregs *sregs) { return result(ioctl(vcpu, KVM_SET_SREGS, sregs)); }

int ckvm_set_msr(int vcpu, uint32_t index, uint64_t value) {
    uint64_t storage[(sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)) / 8] = {0};
    struct kvm_msrs *msrs = (struct kvm_msrs *)storage;
    msrs->nmsrs = 1;
    msrs->entries[0] = (struct kvm_msr_entry){.index = index, .data = value};
    return result(ioctl(vcpu, KVM_SET_MSRS, msrs));
}

int ckvm_interrupt(int vcpu, uint32_t vector) {
    struct kvm_interrupt interrupt = {.irq = vector};
    return result(ioctl(vcpu, KVM_INTERRUPT, &interrupt));
}
int ckvm_nmi(int vcpu) { return result(ioctl(vcpu, KVM_NMI, 0)); }
uint32_t ckvm_stated_tsc_khz(void) {
    /* Intel SDM volume 3, 19.7.3: crystal x EBX / EAX; where the crystal is not stated the base frequency is the counter's. */
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid_count(0x15, 0, &eax, &ebx, &ecx, &edx) || eax == 0 || ebx == 0) return 0;
    if (ecx != 0) return (uint32_t)((uint64_t)ecx * ebx / eax / 1000);
    if (!__get_cpuid_count(0x16, 0, &eax, &ebx, &ecx, &edx)) return 0;
    return (eax & 0xFFFF) * 1000;
}
int ckvm_tsc_khz(int vcpu) { return result(ioctl(vcpu, KVM_GET_TSC_KHZ, 0)); }

static int tsc_offset(int vcpu, unsigned long request, uint64_t *offset) {
    struct kvm_device_attr attribute = {
        .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)offset};
    return result(ioctl(vcpu, request, &attribute));
}
int ckvm_get_tsc_offset(int vcpu, uint64_t *offset) { return tsc_offset(vcpu, KVM_GET_DEVICE_ATTR, offset); }
int ckvm_set_tsc_offset(int vcpu, uint64_t offset) { return tsc_offset(vcpu, KVM_SET_DEVICE_ATTR, &offset); }

int ckvm_enter_smm(int vcpu) {
    struct kvm_vcpu_events events;
    if (ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events) < 0) return -errno;
    events.flags |= KVM_VCPUEVENT_VALID_SMM;
    events.smi.smm = 1;
    return result(ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events));
}

int ckvm_run(int vcpu, struct kvm_run *run, struct ckvm_exit *out) {
    int status = ioctl(vcpu, KVM_RUN, 0);
    int error = errno;
    __atomic_store_n(&run->immediate_exit, 0, __ATOMIC_RELAXED);
    if (status < 0) return -error;
    out->reason = run->exit_reason;
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        out->port = run->io.port;
        out->size = run->io.size;
        out->count = run->io.count;
        out->is_write = run->io.direction == KVM_EXIT_IO_OUT;
        out->io_offset = run->io.data_offset;
        break;
    case KVM_EXIT_MMIO:
        out->address = run->mmio.phys_addr;
        out->size = run->mmio.len;
        out->is_write = run->mmio.is_write;
        out->data = 0;
        if (run->mmio.is_write && run->mmio.len <= 8) memcpy(&out->data, run->mmio.data, run->mmio.len);
        break;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        out->msr = run->msr.index;
        out->data = run->msr.data;
        out->msr_reason = run->msr.reason;
        out->is_write = run->exit_reason == KVM_EXIT_X86_WRMSR;
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        out->address = run->internal.suberror;
        break;
    case KVM_EXIT_FAIL_ENTRY:
        out->address = run->fail_entry.hardware_entry_failure_reason;
        break;
    }
    return 0;
}

void ckvm_complete_mmio_read(struct kvm_run *run, uint64_t value, uint32_t size) {
    memcpy(run->mmio.data, &value, size > 8 ? 8 : size);
}
void ckvm_complete_msr(struct kvm_run *run, uint64_t value, bool fault) {
    run->msr.data = value;
    run->msr.error = fault;
}
void ckvm_request_window(struct kvm_run *run, bool on) { run->request_interrupt_window = on; }
bool ckvm_ready_for_interrupt(const struct kvm_run *run) { return run->ready_for_interrupt_injection; }
bool ckvm_interrupt_flag(const struct kvm_run *run) { return run->if_flag; }
uint64_t ckvm_cr8(const struct kvm_run *run) { return run->cr8; }
void ckvm_set_cr8(struct kvm_run *run, uint64_t value) { run->cr8 = value; }
uint64_t ckvm_apic_base(const struct kvm_run *run) { return run->apic_base; }

static _Thread_local struct kvm_run *bound_run;
static void kick_handler(int signal) {
    (void)signal;
    if (bound_run) __atomic_store_n(&bound_run->immediate_exit, 1, __ATOMIC_RELAXED);
}
int ckvm_install_kick(void) {
    struct sigaction action = {.sa_handler = kick_handler};
    return result(sigaction(SIGUSR1, &action, NULL));
}
// A thread inherits its signal mask: whoever made this one may block nearly every signal, as thread pools do.
void ckvm_bind_run(struct kvm_run *run) {
    bound_run = run;
    sigset_t kick;
    sigemptyset(&kick);
    sigaddset(&kick, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
}
int ckvm_thread_id(void) { return (int)syscall(SYS_gettid); }
int ckvm_kick(int thread_id) { return result(syscall(SYS_tgkill, getpid(), thread_id, SIGUSR1)); }


int cuffd_open(void) {
    int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (uffd < 0) return -errno;
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID};
    if (ioctl(uffd, UFFDIO_API, &api) < 0) {
        int error = errno;
        close(uffd);
        return -error;
    }
    return uffd;
}
int cuffd_register(int uffd, void *start, uint64_t length) {
    struct uffdio_register request = {
        .range = {(uintptr_t)start, length}, .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP};
    return result(ioctl(uffd, UFFDIO_REGISTER, &request));
}
int cuffd_read(int uffd, struct cuffd_event *events, int capacity) {
    struct uffd_msg messages[16];
    if (capacity > 16) capacity = 16;
    ssize_t length = read(uffd, messages, sizeof messages[0] * (size_t)capacity);
    if (length < 0) return errno == EAGAIN ? 0 : -errno;
    int count = 0;
    for (size_t i = 0; i < (size_t)length / sizeof messages[0]; i++) {
        if (messages[i].event != UFFD_EVENT_PAGEFAULT) continue;
        events[count++] = (struct cuffd_event){
            .address = messages[i].arg.pagefault.address,
            .thread_id = messages[i].arg.pagefault.feat.ptid,
            .is_write = messages[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE,
            .is_protect = messages[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP};
    }
    return count;
}
int cuffd_copy(int uffd, void *destination, const void *source, uint64_t length, bool write_protected, uint64_t *done) {
    struct uffdio_copy request = {
        .dst = (uintptr_t)destination, .src = (uintptr_t)source, .len = length,
        .mode = write_protected ? UFFDIO_COPY_MODE_WP : 0};
    int status = result(ioctl(uffd, UFFDIO_COPY, &request));
    *done = request.copy > 0 ? (uint64_t)request.copy : 0;
    return status;
}
int cuffd_protect(int uffd, void *start, uint64_t length, bool on, bool wake) {
    struct uffdio_writeprotect request = {
        .range = {(uintptr_t)start, length},
        .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : (wake ? 0 : UFFDIO_WRITEPROTECT_MODE_DONTWAKE)};
    int status;
    do status = result(ioctl(uffd, UFFDIO_WRITEPROTECT, &request)); while (status == -EAGAIN);
    return status;
}
int cuffd_wake(int uffd, void *start, uint64_t length) {
    struct uffdio_range range = {(uintptr_t)start, length};
    return result(ioctl(uffd, UFFDIO_WAKE, &range));
}

int cperf_open(struct cperf_ring *ring, uint64_t event, int cpu, uint32_t data_pages) {
    struct perf_event_attr attribute = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof attribute, .config = event, .sample_period = 1,
        .sample_type = PERF_SAMPLE_RAW, .watermark = 1, .wakeup_watermark = 1u << 30};
    int fd = (int)syscall(SYS_perf_event_open, &attribute, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) return -errno;
    ring->size = (uint64_t)data_pages * 4096;
    ring->base = mmap(NULL, ring->size + 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring->base == MAP_FAILED) {
        int error = errno;
        close(fd);
        return -error;
    }
    ring->fd = fd;
    return 0;
}
void cperf_close(struct cperf_ring *ring) {
    munmap(ring->base, ring->size + 4096);
    close(ring->fd);
}
static void ring_read(const struct cperf_ring *ring, uint64_t at, void *out, size_t length) {
    const uint8_t *data = (const uint8_t *)ring->base + 4096;
    for (size_t i = 0; i < length; i++) ((uint8_t *)out)[i] = data[(at + i) % ring->size];
}
int cperf_drain(struct cperf_ring *ring, uint32_t field_offset, uint64_t *fields, int capacity, bool *lost) {
    struct perf_event_mmap_page *control = ring->base;
    uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE), tail = control->data_tail;
    int count = 0;
    // A ring that is full has lost records, which the kernel says only with the next one that fits.
    if (head - tail > ring->size - 4096) *lost = true;
    while (tail < head && count < capacity) {
        struct perf_event_header header;
        ring_read(ring, tail, &header, sizeof header);
        if (header.size < sizeof header) {
            *lost = true;
            tail = head;
            break;
        }
        if (header.type == PERF_RECORD_SAMPLE)
            ring_read(ring, tail + sizeof header + sizeof(uint32_t) + field_offset, &fields[count++], sizeof *fields);
        else if (header.type == PERF_RECORD_LOST)
            *lost = true;
        tail += header.size;
    }
    __atomic_store_n(&control->data_tail, tail, __ATOMIC_RELEASE);
    return count;
}
