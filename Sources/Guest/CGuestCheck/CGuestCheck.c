#define _GNU_SOURCE
#include "CGuestCheck.h"
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define MAX_PROCESSORS 4096

static uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return *state = x;
}

static void nap(uint32_t microseconds) {
    struct timespec wait = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
    nanosleep(&wait, 0);
}

uint32_t gc_litmus(enum gc_role role, void *pp, void *qq, uint32_t *a, uint32_t *b, uint32_t count, uint64_t gap,
                   uint64_t seed, const void *stop) {
    volatile uint64_t *p = pp, *q = qq;
    uint64_t random = seed * 2 + 1, first, second;
    uint32_t i = 1;
    while (i <= count && !gc_load(stop)) {
        uint32_t burst = 1 + next_random(&random) % 16, began = i;
        for (; burst > 0 && i <= count; burst--, i++) {
            uint64_t value = i;
            first = second = 0;
            switch (role) {
            case GC_STORE_STORE:
                __asm__ volatile("movq %2, %0\n\tmovq %2, %1" : "=m"(*p), "=m"(*q) : "r"(value) : "memory");
                break;
            case GC_LOAD_LOAD:
                __asm__ volatile("movq %2, %0\n\tmovq %3, %1"
                                 : "=&r"(first), "=&r"(second) : "m"(*p), "m"(*q) : "memory");
                break;
            case GC_STORE_LOAD:
                __asm__ volatile("movq %2, %1\n\tmovq %3, %0" : "=&r"(first), "=m"(*p) : "r"(value), "m"(*q) : "memory");
                break;
            case GC_STORE_MFENCE_LOAD:
                __asm__ volatile("movq %2, %1\n\tmfence\n\tmovq %3, %0"
                                 : "=&r"(first), "=m"(*p) : "r"(value), "m"(*q) : "memory");
                break;
            case GC_XCHG_LOAD:
                __asm__ volatile("xchgq %2, %1\n\tmovq %3, %0"
                                 : "=&r"(first), "+m"(*p), "+r"(value) : "m"(*q) : "memory");
                break;
            case GC_LOAD_STORE:
                __asm__ volatile("movq %3, %0\n\tmovq %2, %1" : "=&r"(first), "=m"(*p) : "r"(value), "m"(*q) : "memory");
                break;
            case GC_STORE_ONLY:
                __asm__ volatile("movq %1, %0" : "=m"(*p) : "r"(value) : "memory");
                break;
            }
            if (a) a[i - 1] = (uint32_t)first;
            if (b) b[i - 1] = (uint32_t)second;
        }
        uint64_t ticks = gap ? next_random(&random) % (2 * gap * (i - began)) : 0;
        for (uint64_t start = gc_tsc(); gc_tsc() - start < ticks && !gc_load(stop);) gc_pause();
    }
    return i - 1;
}

int gc_wait_at_least(const void *address, uint64_t value, const void *stop, uint32_t spins, uint32_t nap_us) {
    for (uint32_t i = 0;; i++) {
        if (gc_load(address) >= value) return 1;
        if (gc_load(stop)) return 0;
        if (i < spins) gc_pause();
        else nap(nap_us);
    }
}

// The instructions that may fault have names, so that the handler knows them and where to go on.
__asm__(".text\n"
        ".globl gc_try_load\n.type gc_try_load, @function\n"
        "gc_try_load:\n"
        "gc_load_instruction:\n\tmovq (%rdi), %rax\n"
        "\tmovq %rax, (%rsi)\n\tmovl $1, %eax\n\tret\n"
        ".globl gc_try_store\n.type gc_try_store, @function\n"
        "gc_try_store:\n"
        "gc_store_instruction:\n\tmovq %rsi, (%rdi)\n"
        "\tmovl $1, %eax\n\tret\n"
        "gc_faulted:\n\txorl %eax, %eax\n\tret\n");
extern const char gc_load_instruction[] __attribute__((visibility("hidden")));
extern const char gc_store_instruction[] __attribute__((visibility("hidden")));
extern const char gc_faulted[] __attribute__((visibility("hidden")));

static void on_fault(int signal_number, siginfo_t *information, void *context) {
    (void)information;
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    if (*rip == (greg_t)gc_load_instruction || *rip == (greg_t)gc_store_instruction) *rip = (greg_t)gc_faulted;
    else signal(signal_number, SIG_DFL);
}

int gc_catch_faults(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    return sigaction(SIGSEGV, &action, 0) || sigaction(SIGBUS, &action, 0) ? errno : 0;
}

static int one_processor(unsigned long *mask, int processor) {
    if (processor < 0 || processor >= MAX_PROCESSORS) return EINVAL;
    memset(mask, 0, MAX_PROCESSORS / 8);
    mask[processor / 64] = 1UL << processor % 64;
    return 0;
}

int gc_pin(int processor) {
    unsigned long mask[MAX_PROCESSORS / 64];
    if (one_processor(mask, processor)) return EINVAL;
    return syscall(SYS_sched_setaffinity, 0, sizeof mask, mask) ? errno : 0;
}

int gc_allowed_processors(uint64_t *words, int count) {
    memset(words, 0, (size_t)count * 8);
    return syscall(SYS_sched_getaffinity, 0, (size_t)count * 8, words) < 0 ? errno : 0;
}

int gc_where(unsigned *processor, unsigned *node) { return syscall(SYS_getcpu, processor, node, 0) ? errno : 0; }

int gc_migrate_keeping_registers(int processor, uint64_t seed) {
    unsigned long mask[MAX_PROCESSORS / 64];
    uint64_t before[35], after[35];
    if (one_processor(mask, processor)) return EINVAL;
    for (int i = 0; i < 35; i++) before[i] = seed * 0x9E3779B97F4A7C15u + (uint64_t)i * 0x0101010101010101u;
    memset(after, 0, sizeof after);
    long result = SYS_sched_setaffinity;
    // The kernel keeps every register but RAX, RCX and R11.
#define EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define FILL(n) "movdqu " #n "*16(%[before]), %%xmm" #n "\n\t"
#define KEEP(n) "movdqu %%xmm" #n ", " #n "*16(%[after])\n\t"
    __asm__ volatile(EACH(FILL) "movq 256(%[before]), %%r8\n\tmovq 264(%[before]), %%r9\n\tmovq 272(%[before]), %%r10\n\t"
                     "syscall\n\t" EACH(KEEP)
                     "movq %%r8, 256(%[after])\n\tmovq %%r9, 264(%[after])\n\tmovq %%r10, 272(%[after])\n\t"
                     : "+a"(result)
                     : [before] "r"(before), [after] "r"(after), "D"(0L), "S"(sizeof mask), "d"(mask)
                     : "rcx", "r8", "r9", "r10", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    if (result < 0) return (int)-result;
    return memcmp(before, after, sizeof before) ? -1 : 0;
}

int gc_prefer_node(void *address, uint64_t length, int node) {
    unsigned long mask[1024 / 64] = {0};
    if (node < 0 || node >= 1024) return EINVAL;
    mask[node / 64] = 1UL << node % 64;
    const int preferred = 1; // MPOL_PREFERRED
    return syscall(SYS_mbind, address, length, preferred, mask, 1025UL, 0) ? errno : 0;
}

int gc_futex_wait(const void *word, uint32_t expected, uint32_t timeout_ms) {
    struct timespec timeout = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
    if (!syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &timeout, 0, 0)) return 0;
    return errno == EAGAIN || errno == EINTR ? 0 : errno;
}

int gc_futex_wake(const void *word, int count) {
    return syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0) < 0 ? errno : 0;
}

static int parent_moved_on(uint64_t *shared, uint32_t patience_ms) {
    uint64_t goal = gc_load(shared + GC_COW_PROGRESS) + 3;
    for (uint32_t waited = 0; gc_load(shared + GC_COW_PROGRESS) < goal; waited++) {
        if (waited >= patience_ms) return 0;
        nap(1000);
    }
    return 1;
}

int gc_fork_copy_on_write(void *page_address, void *shared_address, int processor, uint32_t patience_ms) {
    volatile uint64_t *page = page_address;
    uint64_t *shared = shared_address;
    pid_t child = fork();
    if (child) return child < 0 ? -errno : child;
    gc_pin(processor);
    // The second word first: the writer stores word 0, then word 1.
    gc_store(shared + GC_COW_SECOND, page[1]);
    uint64_t snapshot = page[0];
    gc_store(shared + GC_COW_SNAPSHOT, snapshot);
    if (!parent_moved_on(shared, patience_ms)) _exit(2);
    gc_store(shared + GC_COW_SEEN_LATER, page[0]);
    page[0] = ~snapshot;
    page[2] = 1;
    if (!parent_moved_on(shared, patience_ms)) _exit(2);
    gc_store(shared + GC_COW_OWN_LATER, page[0]);
    _exit(0);
}

static const char exit_argument[] = "exit-with-status";

int gc_fork_exec(int status, int processor) {
    char text[2] = {(char)('0' + status % 64), 0};
    char *const arguments[] = {(char *)"guest-check", (char *)exit_argument, text, 0};
    char *const environment[] = {0};
    pid_t child = fork();
    if (child) return child < 0 ? -errno : child;
    gc_pin(processor);
    execve("/proc/self/exe", arguments, environment);
    _exit(127);
}

// Before main: the storm measures fork and exec, not the start of a language runtime.
__attribute__((constructor)) static void exit_early(int count, char **arguments) {
    if (count == 3 && !strcmp(arguments[1], exit_argument)) _exit(arguments[2][0] - '0');
}

int gc_reap(int pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static const int pattern_offsets[8] = {0, 73, 146, 219, 292, 365, 438, 511};

static uint64_t pattern_word(uint64_t page, int slot, uint64_t seed) {
    uint64_t x = (page * 8 + (uint64_t)slot + 1) * 0x9E3779B97F4A7C15u + seed;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    return x ^ x >> 31;
}

void gc_pattern_write(void *base, uint64_t first_page, uint64_t pages, uint64_t seed) {
    // One call instead of a page fault for each page: all threads share the lock that a page fault takes. Kernels before
    // 5.14 refuse, and the writes fault.
    madvise((char *)base + first_page * 4096, pages * 4096, 23 /* MADV_POPULATE_WRITE */);
    for (uint64_t page = first_page; page < first_page + pages; page++)
        for (int slot = 0; slot < 8; slot++)
            ((uint64_t *)base)[page * 512 + (uint64_t)pattern_offsets[slot]] = pattern_word(page, slot, seed);
}

uint64_t gc_pattern_check(const void *base, uint64_t first_page, uint64_t pages, uint64_t seed) {
    for (uint64_t page = first_page; page < first_page + pages; page++) {
        const uint64_t *words = (const uint64_t *)base + page * 512;
        uint64_t any = 0;
        int next = 0;
        for (int slot = 0; slot < 8; slot++) {
            for (; next < pattern_offsets[slot]; next++) any |= words[next]; // never written: zero
            any |= words[next++] ^ pattern_word(page, slot, seed);
        }
        if (any) return page;
    }
    return UINT64_MAX;
}

static char watchdog_message[256];
static size_t watchdog_length;

static void on_watchdog(int signal_number) {
    (void)signal_number;
    ssize_t written = write(STDOUT_FILENO, watchdog_message, watchdog_length);
    (void)written;
    _exit(1);
}

void gc_watchdog(unsigned seconds, const char *message) {
    alarm(0);
    if (!seconds) return;
    watchdog_length = strnlen(message, sizeof watchdog_message);
    memcpy(watchdog_message, message, watchdog_length);
    signal(SIGALRM, on_watchdog);
    alarm(seconds);
}

int gc_move_page(void *from, void *to) {
    return mremap(from, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED ? errno : 0;
}

int gc_memory_file(uint64_t length) {
    int descriptor = memfd_create("guest-check", MFD_CLOEXEC);
    if (descriptor >= 0 && ftruncate(descriptor, (off_t)length)) return -errno;
    return descriptor < 0 ? -errno : descriptor;
}

void gc_write_lines_at_once(void) { setvbuf(stdout, 0, _IOLBF, 0); }
