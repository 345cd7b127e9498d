#define _GNU_SOURCE
#include "CTestSupport.h"
#include "CPlatform.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool has_given_up(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    struct rlimit limit;
    return syscall(SYS_capget, &header, data) == 0 && !(data[0].permitted | data[1].permitted | data[0].effective | data[1].effective) &&
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0;
}

// A failed call's errno, 0 where it succeeded.
static int code(long result) { return result < 0 ? errno : 0; }

static int attempt(enum confined_deed deed, const char *folder, const char *secret) {
    char path[4096];
    snprintf(path, sizeof path, "%s/new", folder);
    switch (deed) {
    case CONFINED_OPENS_SECRET: return code(open(secret, O_RDONLY));
    case CONFINED_WRITES_ITS_FOLDER: {
        int file = open(path, O_RDWR | O_CREAT, 0600);
        return file < 0 ? errno : code(write(file, "x", 1)) + code(ftruncate(file, 0)) + code(unlink(path));
    }
    case CONFINED_NAMES_HOST: return code(syscall(SYS_sethostname, "x", 1)) + 1000 * code(syscall(SYS_sethostname, "x", 1));
    case CONFINED_OPENS_PACKET_SOCKET: return code(socket(AF_PACKET, SOCK_RAW, 0));
    case CONFINED_RAISES_LIMIT: {
        struct rlimit limit;
        if (getrlimit(RLIMIT_STACK, &limit) < 0) return -1;
        return code(setrlimit(RLIMIT_STACK, &limit));
    }
    case CONFINED_EXECUTES: return code(execl("/bin/true", "true", (char *)NULL));
    case CONFINED_TRACES: return code(syscall(SYS_ptrace, 0, 0, 0, 0));
    case CONFINED_FORKS: return code(syscall(SYS_clone, 0x11, 0, 0, 0, 0));
    case CONFINED_MAPS_CODE: return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
    }
    return -1;
}

int confined(enum confined_deed deed, const char *folder, const char *secret, char *said, unsigned long room) {
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        struct cplatform_place place = {folder, CPLATFORM_CHANGE_FOLDER};
        if (cplatform_no_dumps() < 0 || cplatform_keep_capabilities(0) < 0 || !has_given_up()) _exit(201);
        if (cplatform_keep_to_files(&place, 1) < 0) _exit(75);
        if (cplatform_keep_to_calls(70) < 0) _exit(202);
        int result = attempt(deed, folder, secret);
        dprintf(STDERR_FILENO, "errno %d\n", result);
        _exit(0);
    }
    close(ends[1]);
    unsigned long length = 0;
    for (ssize_t count; length + 1 < room && (count = read(ends[0], said + length, room - length - 1)) > 0;) length += (unsigned long)count;
    said[length] = 0;
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) < 0) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
