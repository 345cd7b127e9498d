// A plugin for QEMU's user mode that writes what each thread of a program does to memory, page by page.
//
// Arguments: fd=N, where the trace goes (closed for the program itself); limit=N, lines after which all ends (0: none);
// recent=N, pages that a thread may touch again without a line.

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The part of QEMU's plugin interface, version 1, that is used; Debian packages no header for it.
struct block;
struct instruction;
struct machine {
    const char *target;
    struct { int lowest, current; } version;
    bool isWholeSystem;
};
enum { withoutRegisters = 0, readsAndWrites = 3 };

size_t qemu_plugin_tb_n_insns(const struct block *);
struct instruction *qemu_plugin_tb_get_insn(const struct block *, size_t);
const void *qemu_plugin_insn_data(const struct instruction *);
size_t qemu_plugin_insn_size(const struct instruction *);
bool qemu_plugin_mem_is_store(uint32_t access);
unsigned qemu_plugin_mem_size_shift(uint32_t access);
void qemu_plugin_register_vcpu_init_cb(uint64_t plugin, void (*)(uint64_t, unsigned));
void qemu_plugin_register_vcpu_exit_cb(uint64_t plugin, void (*)(uint64_t, unsigned));
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, void (*)(uint64_t, struct block *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, void (*)(unsigned, void *), int registers, void *);
void qemu_plugin_register_vcpu_mem_cb(
    struct instruction *, void (*)(unsigned, uint32_t, uint64_t, void *), int registers, int directions, void *);
void qemu_plugin_register_vcpu_syscall_cb(
    uint64_t plugin,
    void (*)(uint64_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
void qemu_plugin_register_vcpu_syscall_ret_cb(uint64_t plugin, void (*)(uint64_t, unsigned, int64_t, int64_t));

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 1;

enum { ways = 8, mostThreads = 1024, instructionsPerNanosecond = 2, pageShift = 12, buckets = 1 << 16 };
// What an instruction is, beside reading and writing.
enum { isAtomic = 1, isPush = 2 };

struct thread;

struct page {
    struct page *next;
    uint64_t address;
    // The only thread that has touched the page since it wrote it, if there is one.
    struct thread *owner;
    // The first thread that touched it, or whose stack it is.
    struct thread *first;
    uint64_t writtenAt;
    // Counts how often another thread than before began to write.
    uint32_t generation;
    uint32_t number;
    bool isNumbered, isStack, isShared;
};

struct recent {
    uint64_t address;
    struct page *page;
    uint64_t used;
    uint32_t generation;
    bool wasWritten;
};

// A processor of the trace. When its thread has ended, the next new one takes its place.
struct thread {
    // For each remainder of an address, the last pages that have it.
    struct recent (*recent)[ways];
    uint64_t uses;
    // Instructions; also those that others ran while this thread slept until they woke it.
    uint64_t clock;
    uint64_t arguments[2];
    unsigned number;
    bool hasEnded;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct page *table[buckets];
static struct thread *threads[mostThreads];
static uint32_t numberedPages;
// The clock of the thread that made the one with this index of QEMU's, which it gives away anew when a thread is gone.
static uint64_t firstClock[mostThreads];
static uint64_t lines, limit, recentSets = 1;
static int output = -1;
static bool isOff;
static __thread struct thread *current;

static void end(const char *reason, int status) {
    fprintf(stderr, "record-trace: %s; the program is ended there\n", reason);
    _exit(status);
}

// Line by line, so that the trace is whole however the program ends.
static void put(const char *line, size_t count) {
    while (count > 0) {
        ssize_t written = write(output, line, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) end(strerror(errno), 1);
        line += written;
        count -= written;
    }
}

static void emit(struct thread *thread, char kind, struct page *page) {
    if (!page->isNumbered) {
        page->isNumbered = true;
        page->number = numberedPages++;
    }
    char line[64];
    put(line, sprintf(line, "%llu %u %c %x\n", (unsigned long long)thread->clock / instructionsPerNanosecond, thread->number, kind,
                      page->number));
    if (++lines == limit) end("the trace has all lines it may have", 0);
}

static struct page *find(uint64_t address) {
    struct page **place = &table[(address ^ address >> 16) % buckets];
    for (struct page *page = *place; page; page = page->next)
        if (page->address == address) return page;
    struct page *page = calloc(1, sizeof *page);
    if (!page) end("no memory", 1);
    page->address = address;
    page->next = *place;
    return *place = page;
}

static struct thread *self(unsigned index) {
    if (current) return current;
    pthread_mutex_lock(&lock);
    unsigned number = 0;
    while (number < mostThreads && threads[number] && !threads[number]->hasEnded) number++;
    if (number == mostThreads) end("a trace has at most 1024 threads at a time", 1);
    struct thread *thread = threads[number];
    if (!thread) {
        thread = calloc(1, sizeof *thread);
        if (!thread || !(thread->recent = calloc(recentSets, sizeof *thread->recent))) end("no memory", 1);
        thread->number = number;
        threads[number] = thread;
    }
    uint64_t clock = firstClock[index % mostThreads];
    if (thread->clock < clock) thread->clock = clock;
    thread->hasEnded = false;
    pthread_mutex_unlock(&lock);
    return current = thread;
}

// An access that may have to be written down. A page that only its thread has touched and that it pushes to is its
// stack and is not, until another thread touches it.
static void record(struct thread *thread, struct recent *recent, uint64_t address, char kind, bool isPushed) {
    bool isWrite = kind != 'r';
    pthread_mutex_lock(&lock);
    struct page *page = recent ? recent->page : find(address);
    if (!page->first || (isPushed && page->isStack)) {
        page->first = thread;
    } else if (page->first != thread && !page->isShared) {
        page->isShared = true;
        if (page->isStack) emit(page->first, 'w', page);
        page->isStack = false;
    }
    if (isPushed && !page->isShared) page->isStack = true;
    if (!page->isStack) emit(thread, kind, page);

    if (page->owner != thread) {
        if (isWrite) __atomic_store_n(&page->generation, page->generation + 1, __ATOMIC_RELAXED);
        __atomic_store_n(&page->owner, isWrite ? thread : NULL, __ATOMIC_RELAXED);
    }
    if (isWrite) page->writtenAt = thread->clock;

    if (!recent) {
        struct recent *set = recent = thread->recent[address % recentSets];
        for (int i = 1; i < ways; i++)
            if (set[i].used < recent->used) recent = &set[i];
        *recent = (struct recent){.address = address, .page = page};
    }
    recent->wasWritten = isWrite || (recent->wasWritten && recent->generation == page->generation);
    recent->generation = page->generation;
    recent->used = ++thread->uses;
    pthread_mutex_unlock(&lock);
}

static void touch(struct thread *thread, uint64_t address, char kind, bool isPushed) {
    struct recent *set = thread->recent[address % recentSets];
    for (struct recent *recent = set; recent < set + ways; recent++) {
        if (recent->address != address || !recent->page) continue;
        struct page *page = recent->page;
        bool isKnown = __atomic_load_n(&page->generation, __ATOMIC_RELAXED) == recent->generation;
        if (kind == 'r' ? !isKnown : !isKnown || !recent->wasWritten || __atomic_load_n(&page->owner, __ATOMIC_RELAXED) != thread) {
            record(thread, recent, address, kind, isPushed);
        } else {
            recent->used = ++thread->uses;
            if (kind != 'r') page->writtenAt = thread->clock;
        }
        return;
    }
    record(thread, NULL, address, kind, isPushed);
}

static void touchAll(struct thread *thread, uint64_t start, uint64_t bytes, char kind, bool isPushed) {
    for (uint64_t page = start >> pageShift; page <= (start + bytes - 1) >> pageShift; page++) touch(thread, page, kind, isPushed);
}

static int traits(const uint8_t *code, size_t size) {
    bool isLocked = false;
    size_t at = 0;
    for (; at < size && code[at] && strchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", code[at]); at++) isLocked |= code[at] == 0xf0;
    if (at < size && code[at] >> 4 == 4) at++;
    if (at >= size) return 0;
    int opcode = code[at], mode = at + 1 < size ? code[at + 1] : 0;
    if (isLocked || ((opcode == 0x86 || opcode == 0x87) && mode < 0xc0)) return isAtomic;
    bool isIndirect = opcode == 0xff && ((mode >> 3 & 7) == 2 || (mode >> 3 & 7) == 6);
    return opcode >> 3 == 0x50 >> 3 || opcode == 0x68 || opcode == 0x6a || opcode == 0xe8 || isIndirect ? isPush : 0;
}

static void threadBegins(uint64_t plugin, unsigned index) { firstClock[index % mostThreads] = current ? current->clock : 0; }

static void threadEnds(uint64_t plugin, unsigned index) {
    if (!current) return;
    pthread_mutex_lock(&lock);
    current->hasEnded = true;
    pthread_mutex_unlock(&lock);
}

static void blockRuns(unsigned index, void *instructions) { self(index)->clock += (uintptr_t)instructions; }

static void memoryIsAccessed(unsigned index, uint32_t access, uint64_t address, void *found) {
    if (isOff) return;
    bool isStore = qemu_plugin_mem_is_store(access);
    char kind = (uintptr_t)found & isAtomic ? 'a' : isStore ? 'w' : 'r';
    touchAll(self(index), address, 1ull << qemu_plugin_mem_size_shift(access), kind, isStore && (uintptr_t)found & isPush);
}

static void blockIsTranslated(uint64_t plugin, struct block *block) {
    size_t count = qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_cb(block, blockRuns, withoutRegisters, (void *)count);
    for (size_t i = 0; i < count; i++) {
        struct instruction *instruction = qemu_plugin_tb_get_insn(block, i);
        int found = traits(qemu_plugin_insn_data(instruction), qemu_plugin_insn_size(instruction));
        qemu_plugin_register_vcpu_mem_cb(instruction, memoryIsAccessed, withoutRegisters, readsAndWrites, (void *)(uintptr_t)found);
    }
}

enum { callRead = 0, callWrite = 1, callPread = 17, callPwrite = 18, callSendto = 44, callRecvfrom = 45, callFutex = 202 };

static void callBegins(uint64_t plugin, unsigned index, int64_t call, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                       uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    if (isOff) return;
    memcpy(self(index)->arguments, (uint64_t[]){a, b}, sizeof current->arguments);
}

// The kernel's accesses are the thread's. One that slept goes on when it was woken, by whoever wrote what it waited for.
static void callEnds(uint64_t plugin, unsigned index, int64_t call, int64_t result) {
    if (isOff) return;
    struct thread *thread = self(index);
    const uint64_t *arguments = thread->arguments;
    if (result > 0 && (call == callRead || call == callPread || call == callRecvfrom))
        touchAll(thread, arguments[1], result, 'w', false);
    if (result > 0 && (call == callWrite || call == callPwrite || call == callSendto))
        touchAll(thread, arguments[1], result, 'r', false);
    bool isWait = (arguments[1] & 0x7f) == 0 || (arguments[1] & 0x7f) == 9;
    if (call == callFutex && isWait && result == 0) {
        pthread_mutex_lock(&lock);
        uint64_t wokenAt = find(arguments[0] >> pageShift)->writtenAt;
        if (wokenAt > thread->clock) thread->clock = wokenAt;
        pthread_mutex_unlock(&lock);
    }
}

static void beforeFork(void) { pthread_mutex_lock(&lock); }
static void inParent(void) { pthread_mutex_unlock(&lock); }
// Another process is not recorded.
static void inChild(void) {
    isOff = true;
    pthread_mutex_unlock(&lock);
}

EXPORTED int qemu_plugin_install(uint64_t plugin, const struct machine *machine, int count, char **arguments) {
    int given = 1;
    for (int i = 0; i < count; i++) {
        sscanf(arguments[i], "fd=%d", &given);
        sscanf(arguments[i], "limit=%lu", &limit);
        if (sscanf(arguments[i], "recent=%lu", &recentSets) == 1) recentSets = (recentSets + ways - 1) / ways;
    }
    if (strcmp(machine->target, "x86_64") || machine->isWholeSystem) {
        fprintf(stderr, "record-trace: works in qemu-x86_64 only\n");
        return 1;
    }
    output = fcntl(given, F_DUPFD_CLOEXEC, 500);
    if (output < 0) {
        perror("record-trace: no place for the trace");
        return 1;
    }
    if (given > 2) close(given);
    put("# vsmp-trace 1\n", 15);
    pthread_atfork(beforeFork, inParent, inChild);
    qemu_plugin_register_vcpu_init_cb(plugin, threadBegins);
    qemu_plugin_register_vcpu_exit_cb(plugin, threadEnds);
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, blockIsTranslated);
    qemu_plugin_register_vcpu_syscall_cb(plugin, callBegins);
    qemu_plugin_register_vcpu_syscall_ret_cb(plugin, callEnds);
    return 0;
}
