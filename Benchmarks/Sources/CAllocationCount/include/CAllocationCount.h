#pragma once
#include <stdint.h>

/* Heap allocations of this process so far. Linking this library puts counting functions in front of glibc's allocator. */
uint64_t allocation_count(void);
