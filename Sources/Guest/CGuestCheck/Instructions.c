#define _GNU_SOURCE
#include "CGuestCheck.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>

// An instruction of each set (Intel SDM volume 2; SSE4A: AMD APM volume 4) may change vector register 0, RAX, RCX and RDX, and reads memory at
// `memory` at most. Written as bytes where an assembler would want to be told of the set.
struct instruction_set {
    const char *name;
    uint32_t leaf, word, bit; // CPUID leaf; EBX, ECX, EDX are words 1, 2, 3
    void (*run)(void *memory);
};

#define VECTOR "xmm0"
#define TRY(name, text) \
    static void name(void *memory) { __asm__ volatile(text : : "D"(memory) : "rax", "rcx", "rdx", "rsi", "cc", "memory", VECTOR); }
TRY(sse3, "haddps %%xmm0, %%xmm0")
TRY(pclmulqdq, "pclmulqdq $0, %%xmm0, %%xmm0")
TRY(ssse3, "pabsb %%xmm0, %%xmm0")
TRY(cmpxchg16b, "movq %%rbx, %%rsi\n\txorl %%ebx, %%ebx\n\txorl %%ecx, %%ecx\n\tcmpxchg16b (%%rdi)\n\tmovq %%rsi, %%rbx")
TRY(sse41, "ptest %%xmm0, %%xmm0")
TRY(sse42, "pcmpgtq %%xmm0, %%xmm0")
TRY(movbe, "movbe (%%rdi), %%eax")
TRY(popcnt, "popcnt %%eax, %%eax")
TRY(aes, "aesenc %%xmm0, %%xmm0")
TRY(xsave, "xorl %%ecx, %%ecx\n\txgetbv")
TRY(rdrand, "rdrand %%eax")
TRY(avx, "vxorps %%ymm0, %%ymm0, %%ymm0\n\tvzeroupper")
TRY(multiply_add, "vfmadd132ps %%ymm0, %%ymm0, %%ymm0\n\tvzeroupper")
TRY(f16c, "vcvtph2ps %%xmm0, %%ymm0\n\tvzeroupper")
TRY(bmi1, "andn %%eax, %%eax, %%eax")
TRY(avx2, "vpxor %%ymm0, %%ymm0, %%ymm0\n\tvzeroupper")
TRY(bmi2, "pdep %%eax, %%eax, %%eax")
TRY(rdseed, "rdseed %%eax")
TRY(adx, "adcx %%eax, %%eax")
TRY(clflushopt, "clflushopt (%%rdi)")
TRY(clwb, "clwb (%%rdi)")
TRY(sha, "sha1nexte %%xmm0, %%xmm0")
TRY(avx512f, "vpxord %%zmm0, %%zmm0, %%zmm0\n\tvzeroupper")
TRY(gfni, "gf2p8mulb %%xmm0, %%xmm0")
TRY(vaes, "vaesenc %%ymm0, %%ymm0, %%ymm0\n\tvzeroupper")
TRY(vpclmulqdq, "vpclmulqdq $0, %%ymm0, %%ymm0, %%ymm0\n\tvzeroupper")
TRY(sse4a, ".byte 0x66, 0x0F, 0x79, 0xC0") // EXTRQ XMM0, XMM0

enum { EBX = 1, ECX, EDX };
static const struct instruction_set sets[] = {
    {"SSE3", 1, ECX, 0, sse3}, {"PCLMULQDQ", 1, ECX, 1, pclmulqdq}, {"SSSE3", 1, ECX, 9, ssse3},
    {"CMPXCHG16B", 1, ECX, 13, cmpxchg16b}, {"SSE4.1", 1, ECX, 19, sse41}, {"SSE4.2", 1, ECX, 20, sse42},
    {"MOVBE", 1, ECX, 22, movbe}, {"POPCNT", 1, ECX, 23, popcnt}, {"AES", 1, ECX, 25, aes},
    {"RDRAND", 1, ECX, 30, rdrand}, {"OSXSAVE", 1, ECX, 27, xsave}, {"AVX", 1, ECX, 28, avx},
    {"FMA", 1, ECX, 12, multiply_add}, {"F16C", 1, ECX, 29, f16c}, {"BMI1", 7, EBX, 3, bmi1}, {"AVX2", 7, EBX, 5, avx2},
    {"BMI2", 7, EBX, 8, bmi2}, {"RDSEED", 7, EBX, 18, rdseed}, {"ADX", 7, EBX, 19, adx},
    {"CLFLUSHOPT", 7, EBX, 23, clflushopt}, {"CLWB", 7, EBX, 24, clwb}, {"SHA", 7, EBX, 29, sha},
    {"AVX512F", 7, EBX, 16, avx512f}, {"GFNI", 7, ECX, 8, gfni}, {"VAES", 7, ECX, 9, vaes},
    {"VPCLMULQDQ", 7, ECX, 10, vpclmulqdq}, {"SSE4A", 0x80000001, ECX, 6, sse4a},
};

int gc_instruction_set_count(void) { return sizeof sets / sizeof *sets; }
const char *gc_instruction_set_name(int set) { return sets[set].name; }

static __thread sigjmp_buf illegal;
static __thread volatile sig_atomic_t is_trying;

static void on_illegal(int signal_number) {
    if (is_trying) siglongjmp(illegal, 1);
    signal(signal_number, SIG_DFL);
}

int gc_catch_illegal_instructions(void) {
    struct sigaction action = {.sa_handler = on_illegal, .sa_flags = SA_NODEFER};
    return sigaction(SIGILL, &action, 0) ? errno : 0;
}

enum gc_trial gc_try_instruction(int set) {
    const struct instruction_set *s = &sets[set];
    uint32_t words[4];
    gc_cpuid(s->leaf & 0x80000000, 0, words);
    if (words[0] < s->leaf) return GC_NOT_OFFERED;
    gc_cpuid(s->leaf, 0, words);
    if (!(words[s->word] >> s->bit & 1)) return GC_NOT_OFFERED;
    // CPUID offers AVX and the like whether or not the kernel uses the state; a program has to ask OSXSAVE and XCR0 (SDM volume 1, 14.3). A machine
    // that promises the set and leaves its state off is the fault that this check is for, so it is tried all the same.
    static __thread _Alignas(64) uint8_t memory[64];
    is_trying = 1;
    enum gc_trial trial = GC_ILLEGAL;
    if (!sigsetjmp(illegal, 1)) {
        s->run(memory);
        trial = GC_RAN;
    }
    is_trying = 0;
    return trial;
}
