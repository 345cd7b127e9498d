#define _GNU_SOURCE
#include "CPlatform.h"
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

int cplatform_realtime(int priority) {
    struct sched_param parameters = {.sched_priority = priority};
    return result(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters));
}
int cplatform_keep_to_processor(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return result(sched_setaffinity(0, sizeof set, &set));
}
void cplatform_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
uint64_t cplatform_tsc(void) { return __builtin_ia32_rdtsc(); }

void cplatform_park(uint32_t *token, int64_t timeout_ns) {
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    if (!__atomic_load_n(token, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, token, FUTEX_WAIT_PRIVATE, 0, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    __atomic_exchange_n(token, 0, __ATOMIC_ACQUIRE);
}
void cplatform_unpark(uint32_t *token) {
    if (!__atomic_exchange_n(token, 1, __ATOMIC_RELEASE)) syscall(SYS_futex, token, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

int cplatform_epoll_create(void) { return result(epoll_create1(EPOLL_CLOEXEC)); }
int cplatform_epoll_set(int epoll, int fd, uint32_t value, bool readable, bool writable, bool add) {
    struct epoll_event event = {.events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0), .data.u32 = value};
    return result(epoll_ctl(epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event));
}
int cplatform_epoll_remove(int epoll, int fd) { return result(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL)); }
int cplatform_epoll_wait(int epoll, uint32_t *values, int capacity, int64_t timeout_ns) {
    struct epoll_event events[64];
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    int count = result(epoll_pwait2(epoll, events, capacity > 64 ? 64 : capacity, timeout_ns < 0 ? NULL : &timeout, NULL));
    for (int i = 0; i < count; i++) values[i] = events[i].data.u32;
    return count == -EINTR ? 0 : count;
}
int cplatform_event_create(void) { return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
int cplatform_accept(int listener, void *address, uint32_t *length, bool nonblocking) {
    return result(accept4(listener, address, length, SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0)));
}
