#pragma once
// What guest-check needs and Swift cannot express: exact load and store sequences, raw system calls, CPU masks.
#include <stdint.h>

// Shared words. Aligned 64-bit plain loads and stores on x86 are single accesses; the compiler barrier keeps their order.
static inline uint64_t gc_load(const void *address) {
    return __atomic_load_n((const uint64_t *)address, __ATOMIC_ACQUIRE);
}
static inline void gc_store(void *address, uint64_t value) {
    __atomic_store_n((uint64_t *)address, value, __ATOMIC_RELEASE);
}
/// LOCK XADD: the value before the addition.
static inline uint64_t gc_fetch_add(void *address, uint64_t value) {
    return __atomic_fetch_add((uint64_t *)address, value, __ATOMIC_SEQ_CST);
}
/// LOCK ADD, whose result nobody sees.
static inline void gc_lock_add(void *address, uint64_t value) {
    __asm__ volatile("lock addq %1, %0" : "+m"(*(uint64_t *)address) : "r"(value) : "memory", "cc");
}
/// One increment by a LOCK CMPXCHG loop.
static inline void gc_cas_increment(void *address) {
    uint64_t old = __atomic_load_n((uint64_t *)address, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n((uint64_t *)address, &old, old + 1, 1, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
    }
}
/// A read-modify-write without LOCK, which only its sole writer may use.
static inline void gc_plain_increment(void *address) {
    __asm__ volatile("incq %0" : "+m"(*(uint64_t *)address) : : "memory", "cc");
}
static inline void gc_pause(void) { __builtin_ia32_pause(); }
/// The time-stamp counter, not moved across the loads around it.
static inline uint64_t gc_tsc(void) {
    uint32_t low, high;
    __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}
static inline void gc_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *registers) {
    __asm__ volatile("cpuid"
                     : "=a"(registers[0]), "=b"(registers[1]), "=c"(registers[2]), "=d"(registers[3])
                     : "a"(leaf), "c"(subleaf));
}

enum gc_role {
    GC_STORE_STORE,       // p = i; q = i
    GC_LOAD_LOAD,         // a[i] = p; b[i] = q
    GC_STORE_LOAD,        // p = i; a[i] = q
    GC_STORE_MFENCE_LOAD, // p = i; MFENCE; a[i] = q
    GC_XCHG_LOAD,         // XCHG p, i; a[i] = q
    GC_LOAD_STORE,        // a[i] = q; p = i
    GC_STORE_ONLY,        // p = i
};
/// One thread of a perpetual litmus test: iterations 1...count in bursts of random length, with random pauses of
/// `gap` TSC ticks an iteration on average, until `*stop` is not 0. Returns the iterations done.
uint32_t gc_litmus(enum gc_role role, void *p, void *q, uint32_t *a, uint32_t *b, uint32_t count, uint64_t gap,
                   uint64_t seed, const void *stop);

/// Waits until the word at `address` is at least `value`, or `*stop` is not 0 (returns 0 then). Spins `spins` times,
/// then sleeps `nap_us` between looks so that processors that share a real one go on.
int gc_wait_at_least(const void *address, uint64_t value, const void *stop, uint32_t spins, uint32_t nap_us);

/// Makes SIGSEGV and SIGBUS inside gc_try_load and gc_try_store an answer instead of an end. 0 or errno.
int gc_catch_faults(void);
/// 1 and `*value`, or 0 when the load faulted.
int gc_try_load(const void *address, uint64_t *value);
/// 1, or 0 when the store faulted.
int gc_try_store(void *address, uint64_t value);

/// Sets of instructions that CPUID may offer, by number from 0.
int gc_instruction_set_count(void);
const char *gc_instruction_set_name(int set);
/// Makes SIGILL inside gc_try_instruction an answer instead of an end. 0 or errno.
int gc_catch_illegal_instructions(void);
enum gc_trial { GC_NOT_OFFERED, GC_RAN, GC_ILLEGAL };
/// Executes an instruction of the set on this processor if its CPUID offers the set.
enum gc_trial gc_try_instruction(int set);

/// Pins the calling thread to one processor: 0 or errno.
int gc_pin(int processor);
/// Bit `i` of `words` is set for each processor `i` this thread may run on. Returns 0 or errno.
int gc_allowed_processors(uint64_t *words, int count);
/// The processor and node the calling thread runs on: 0 or errno.
int gc_where(unsigned *processor, unsigned *node);
/// Pins like gc_pin with known values in general and SSE registers: 0, errno, or -1 when a register changed.
int gc_migrate_keeping_registers(int processor, uint64_t seed);
/// Prefers memory of `node` for the range: 0 or errno.
int gc_prefer_node(void *address, uint64_t length, int node);

/// 0 when woken or the value differed, ETIMEDOUT, or another errno.
int gc_futex_wait(const void *word, uint32_t expected, uint32_t timeout_ms);
int gc_futex_wake(const void *word, int count);

/// Words of the MAP_SHARED page of the copy-on-write check.
enum gc_cow_word { GC_COW_PROGRESS, GC_COW_SNAPSHOT = 64, GC_COW_SEEN_LATER, GC_COW_OWN_LATER, GC_COW_SECOND };
/// Forks; the child moves to `processor`, notes words 0 and 1 of `page`, waits for the parent's writer to go on twice,
/// writing the page itself in between, and notes what it saw in `shared`. Child's exit status: 0, or 2 when the
/// writer made no progress in `patience_ms`. Returns the child's pid or -errno.
int gc_fork_copy_on_write(void *page, void *shared, int processor, uint32_t patience_ms);

/// Forks and executes /proc/self/exe, which exits with `status` before any Swift code runs; the child first pins
/// itself to `processor`. Returns the pid or -errno.
int gc_fork_exec(int status, int processor);
/// Waits for `pid`: its exit status, 256 + signal, or -errno.
int gc_reap(int pid);

/// Writes the 8 pattern words of each page.
void gc_pattern_write(void *base, uint64_t first_page, uint64_t pages, uint64_t seed);
/// Checks all 4096 bytes of each page; the first wrong page, or UINT64_MAX. `base` is the address of page 0.
uint64_t gc_pattern_check(const void *base, uint64_t first_page, uint64_t pages, uint64_t seed);

/// After `seconds` writes `message` to standard output and ends the process with status 1; 0 seconds disarms.
void gc_watchdog(unsigned seconds, const char *message);
/// mremap of one page to a fixed address: 0 or errno.
int gc_move_page(void *from, void *to);
/// Lines on standard output leave at their end, also into a pipe or a file.
void gc_write_lines_at_once(void);
/// A memory file: its descriptor or -errno.
int gc_memory_file(uint64_t length);
