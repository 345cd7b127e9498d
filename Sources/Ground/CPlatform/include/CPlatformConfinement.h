// What a process gives up once it has what it needs: capabilities, files, system calls, dumps. Functions that return int
// give a value >= 0, or -errno.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// No core dump, and no debugger of another process without CAP_SYS_PTRACE (prctl(2), PR_SET_DUMPABLE; RLIMIT_CORE).
int cplatform_no_dumps(void);
// Real-time priorities from now on without CAP_SYS_NICE (RLIMIT_RTPRIO).
int cplatform_allow_realtime(void);
// Keeps these capabilities (bits) of those that the calling thread has, and no way back to the others (capabilities(7), PR_SET_NO_NEW_PRIVS).
// Threads that exist already keep theirs.
int cplatform_keep_capabilities(uint64_t kept);

enum cplatform_access { CPLATFORM_READ, CPLATFORM_WRITE, CPLATFORM_CHANGE_FOLDER };
struct cplatform_place {
    const char *path;
    enum cplatform_access access;
};
// The calling thread, and those it makes, open no other file or folder than these and what is below them (landlock(7)). A place that is
// not there is left out. -ENOSYS or -EOPNOTSUPP: this kernel cannot.
int cplatform_keep_to_files(const struct cplatform_place *places, int count);

// From now on every thread makes the calls of the list in Confinement.c only. Another one fails with EPERM, with a line on standard error
// the first time; one that no part of this program ever makes (execve, ptrace, mount, ...) ends the process with `status`.
int cplatform_keep_to_calls(int status);

// A process that sets the largest packet (MTU) of one interface, and does nothing else; it ends with this one. Its end of a socket.
int cplatform_port_sizer(const char *interface);
// Asks it, in bytes: 0 or -errno.
int cplatform_size_port(int sizer, int mtu);

// A process that mounts `folder` anew, writable or read-only, and does nothing else; it ends with this one. Its end of a socket.
int cplatform_remounter(const char *folder);
// Asks it: 0 or -errno.
int cplatform_remount(int remounter, bool writable);

// A watchdog timer (Linux, Documentation/watchdog/watchdog-api.rst): asks it for a time in seconds; the time that it took.
int cplatform_watchdog_timeout(int watchdog, int seconds);

// Sends a byte or more with one descriptor over a Unix socket, and takes them: `descriptor` is -1 where none came (unix(7), SCM_RIGHTS).
long cplatform_send_descriptor(int socket, const void *bytes, unsigned long count, int descriptor);
long cplatform_receive_descriptor(int socket, void *bytes, unsigned long count, int *descriptor);

// Overwrites bytes that held a secret; no compiler leaves that out.
void cplatform_erase(void *bytes, unsigned long count);
