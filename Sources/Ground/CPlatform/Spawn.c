#define _GNU_SOURCE
#include "CPlatformProcesses.h"
#include "Undo.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct failure {
    int code;
    const char *step;
};

// Runs in the memory of the parent, whose thread waits until execve or _exit: it calls nothing but system calls and returns only on failure.
static void become(const struct cplatform_program *program, pid_t parent, volatile struct failure *failure) {
#define must(step_name, call)                                                                                                                  \
    do {                                                                                                                                       \
        failure->step = step_name;                                                                                                             \
        if ((call) < 0) return;                                                                                                                \
    } while (0)
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    if (program->own_group) must("setpgid", setpgid(0, 0));
    must("prctl(PR_SET_PDEATHSIG)", prctl(PR_SET_PDEATHSIG, SIGKILL));
    // The parent ended before that.
    if (getppid() != parent) _exit(127);
    if (program->directory) must("chdir", chdir(program->directory));
    // First far above the numbers that the program sees, so that none is overwritten before its turn.
    int copies[64];
    for (int i = 0; i < program->descriptor_count; i++)
        must("fcntl(F_DUPFD)", copies[i] = fcntl(program->descriptors[i], F_DUPFD_CLOEXEC, 256));
    for (int i = 0; i < program->descriptor_count; i++) must("dup2", dup2(copies[i], i));
    must("close_range", syscall(SYS_close_range, program->descriptor_count, ~0U, CLOSE_RANGE_CLOEXEC));
    struct rlimit none = {0, 0};
    must("setrlimit", setrlimit(RLIMIT_CORE, &none));
    if (program->memory_limit >= 0) {
        struct rlimit memory = {program->memory_limit, program->memory_limit};
        must("setrlimit", setrlimit(RLIMIT_AS, &memory));
    }
    sigset_t nothing;
    sigemptyset(&nothing);
    must("sigprocmask", sigprocmask(SIG_SETMASK, &nothing, NULL));
    must("execve", execve(program->path, program->arguments, program->environment));
#undef must
}

int cplatform_spawn(const struct cplatform_program *program, const char **step) {
    volatile struct failure failure = {0, "descriptors"};
    *step = failure.step;
    if (program->descriptor_count > 64) return -EMFILE;
    pid_t own = getpid();
    // No handler of this process may run in the child, which shares its memory.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *step = "vfork";
    pid_t child = vfork();
    if (child == 0) {
        become(program, own, &failure);
        failure.code = errno;
        _exit(127);
    }
    int code = child < 0 ? errno : failure.code;
    if (child > 0 && code) {
        *step = failure.step;
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    }
    if (!code) undo_add_program(child, program->own_group);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code ? -code : child;
}

int cplatform_reap(pid_t program, int *status) {
    siginfo_t info = {0};
    int result;
    while ((result = waitid(P_PID, program, &info, WEXITED | WNOHANG | WNOWAIT)) < 0 && errno == EINTR) {}
    if (result < 0) return -errno;
    if (info.si_pid == 0) return 0;
    // While it is not collected nobody else has its number.
    undo_forget_program(program, true);
    while (waitpid(program, status, 0) < 0)
        if (errno != EINTR) return -errno;
    return 1;
}

void cplatform_stop(pid_t program, int *status) {
    undo_stop_program(program);
    while (cplatform_reap(program, status) == 0) {
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
}

int cplatform_process_descriptor(pid_t process) {
    int descriptor = (int)syscall(SYS_pidfd_open, process, 0);
    return descriptor < 0 ? -errno : descriptor;
}
int cplatform_memory_file(void) {
    int descriptor = memfd_create("vsmp", MFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}
int cplatform_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }
