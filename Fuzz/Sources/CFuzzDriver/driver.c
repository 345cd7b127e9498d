#include "driver.h"
#include <stddef.h>
#include <stdint.h>

// Documented in LLVM's "libFuzzer", section "Using libFuzzer as a library".
int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*test)(const uint8_t *, size_t));
int LLVMFuzzerTestOneInput(const uint8_t *start, size_t count);

int fuzz_main(int count, char **arguments) {
    return LLVMFuzzerRunDriver(&count, &arguments, LLVMFuzzerTestOneInput);
}
