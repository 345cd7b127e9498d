#define _GNU_SOURCE
#include "CAffinity.h"

#include <sched.h>

void keep_to_processor(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    sched_setaffinity(0, sizeof set, &set);
}
