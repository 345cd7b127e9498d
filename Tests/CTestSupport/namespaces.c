#define _GNU_SOURCE
#include "CTestSupport.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

int enter_network_namespace(const char *path) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return errno;
    int result = setns(descriptor, CLONE_NEWNET) ? errno : 0;
    close(descriptor);
    return result;
}
