// System calls that Swift cannot make itself: futex and epoll_pwait2 have no wrapper in the C library, thread names and
// priorities need variadic calls, accept4 is a GNU extension. Functions that return int give a value >= 0, or -errno.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "CPlatformConfinement.h"
#include "CPlatformProcesses.h"

int cplatform_realtime(int priority);
int cplatform_keep_to_processor(int processor);
void cplatform_name_thread(const char *name);
uint64_t cplatform_tsc(void);
// A word that one thread sleeps on. cplatform_park returns when the token is set (and takes it) or the time is over (< 0: never).
void cplatform_park(uint32_t *token, int64_t timeout_ns);
void cplatform_unpark(uint32_t *token);
// epoll with nanosecond timeouts (< 0: none); fills up to `capacity` user values. 0 on a signal.
int cplatform_epoll_create(void);
int cplatform_epoll_set(int epoll, int fd, uint32_t value, bool readable, bool writable, bool add);
int cplatform_epoll_remove(int epoll, int fd);
int cplatform_epoll_wait(int epoll, uint32_t *values, int capacity, int64_t timeout_ns);
int cplatform_event_create(void);
int cplatform_accept(int listener, void *address, uint32_t *length, bool nonblocking);
