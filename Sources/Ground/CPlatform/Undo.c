#define _GNU_SOURCE
#include "Undo.h"
#include "CPlatformProcesses.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The handler of a signal reads this list while any other thread, or the one it interrupted, changes it: entries are only ever added at the
// head, never freed, and used again. A kind is stored last and cleared first. The handler takes no lock and no memory. It sets `ending` before it
// reads the list, other threads read `ending` after they changed the list and before they make something: what the handler does not see is not made.
enum kind { FREE, CLAIMED, MAKING, PATH, GROUP, PROCESS };
struct entry {
    struct entry *next;
    _Atomic int kind;
    // The program, or the thread that is about to make the folder.
    pid_t process;
    char path[PATH_MAX];
};
static struct entry *_Atomic list;
static _Atomic bool ending;

static void await_end(void) {
    for (;;) pause();
}

static struct entry *claim(void) {
    for (struct entry *entry = atomic_load(&list); entry; entry = entry->next) {
        int free_kind = FREE;
        if (atomic_compare_exchange_strong(&entry->kind, &free_kind, CLAIMED)) return entry;
    }
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) abort();
    atomic_store(&entry->kind, CLAIMED);
    entry->next = atomic_load(&list);
    while (!atomic_compare_exchange_weak(&list, &entry->next, entry)) {}
    return entry;
}

// MARK: Programs

void undo_add_program(pid_t program, bool own_group) {
    struct entry *entry = claim();
    entry->process = program;
    atomic_store(&entry->kind, own_group ? GROUP : PROCESS);
    if (!atomic_load(&ending)) return;
    kill(own_group ? -program : program, SIGKILL);
    await_end();
}

static struct entry *entry_of(pid_t program) {
    for (struct entry *entry = atomic_load(&list); entry; entry = entry->next) {
        int kind = atomic_load(&entry->kind);
        if ((kind == GROUP || kind == PROCESS) && entry->process == program) return entry;
    }
    return NULL;
}

void undo_forget_program(pid_t program, bool end_group) {
    struct entry *entry = entry_of(program);
    if (!entry) return;
    if (end_group && atomic_load(&entry->kind) == GROUP) kill(-program, SIGKILL);
    atomic_store(&entry->kind, FREE);
}

// A process and all that it started, proc(5).
static void signal_tree(pid_t process, int number, int depth) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", process, process);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    text[count > 0 ? count : 0] = 0;
    kill(process, number);
    for (char *rest = text; depth > 0;) {
        char *end;
        long child = strtol(rest, &end, 10);
        if (end == rest || child <= 1) break;
        signal_tree((pid_t)child, number, depth - 1);
        rest = end;
    }
}

static void signal_entry(struct entry *entry, int kind, int number) {
    if (kind == GROUP) kill(-entry->process, SIGKILL);
    if (kind == PROCESS) signal_tree(entry->process, number, 16);
}

static bool runs(pid_t program) {
    siginfo_t info = {0};
    return waitid(P_PID, program, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static void pause_a_millisecond(void) {
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
}

// A program of the user's is asked first: it may have to leave a token or a terminal in order. Bounded: one that waits for a dead
// device cannot be ended.
static void wait_for(struct entry *entry, int milliseconds) {
    for (int i = 0; i < milliseconds && runs(entry->process); i++) pause_a_millisecond();
}

static void stop(struct entry *entry, int kind) {
    signal_entry(entry, kind, SIGTERM);
    if (kind == PROCESS) {
        wait_for(entry, 1000);
        if (runs(entry->process)) signal_entry(entry, kind, SIGKILL);
    }
}

void undo_stop_program(pid_t program) {
    struct entry *entry = entry_of(program);
    if (entry) stop(entry, atomic_load(&entry->kind));
}

// MARK: Files and folders

static struct entry *add_path(const char *path, int kind) {
    size_t length = strlen(path);
    char folder[PATH_MAX];
    bool is_absolute = path[0] == '/';
    // The process may work elsewhere by then.
    if (!is_absolute && !getcwd(folder, sizeof folder)) return NULL;
    if (length + (is_absolute ? 0 : strlen(folder) + 1) >= PATH_MAX) return NULL;
    struct entry *entry = claim();
    if (is_absolute) memcpy(entry->path, path, length + 1);
    else snprintf(entry->path, sizeof entry->path, "%s/%s", folder, path);
    entry->process = gettid();
    atomic_store(&entry->kind, kind);
    if (!atomic_load(&ending)) return entry;
    atomic_store(&entry->kind, FREE);
    await_end();
    return NULL;
}

void *cplatform_undo(const char *path) { return add_path(path, PATH); }

int cplatform_make_folder(const char *path, void **handle) {
    struct entry *entry = add_path(path, MAKING);
    int code = mkdir(path, 0700) == 0 ? 0 : -errno;
    if (entry) atomic_store(&entry->kind, code == 0 ? PATH : FREE);
    *handle = code == 0 ? entry : NULL;
    return code;
}

void cplatform_undo_forget(void *handle) {
    struct entry *entry = handle;
    if (entry) atomic_store(&entry->kind, FREE);
}

static int remove_at(int folder, const char *name, int depth);

// Empties an open folder. Removing moves entries, so it is read again until nothing more goes.
static int empty(int folder, int depth) {
    char buffer[8192] __attribute__((aligned(8)));
    int code = 0;
    for (bool goes = true; goes;) {
        goes = false;
        code = 0;
        lseek(folder, 0, SEEK_SET);
        for (;;) {
            ssize_t count = syscall(SYS_getdents64, folder, buffer, sizeof buffer);
            if (count < 0) return -errno;
            if (count == 0) break;
            for (ssize_t at = 0; at < count;) {
                struct dirent64 *entry = (struct dirent64 *)(buffer + at);
                at += entry->d_reclen;
                if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
                int result = remove_at(folder, entry->d_name, depth);
                if (result < 0) code = result;
                else goes = true;
            }
        }
    }
    return code;
}

static int remove_at(int folder, const char *name, int depth) {
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM && errno != EACCES) return -errno;
    if (unlinkat(folder, name, AT_REMOVEDIR) == 0) return 0;
    if (errno == ENOTDIR || depth == 0) return -errno;
    int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    // A package may have made a folder that its owner cannot list or change.
    if (inner < 0 && errno == EACCES && fchmodat(folder, name, 0700, 0) == 0)
        inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) return -errno;
    fchmod(inner, 0700);
    int code = empty(inner, depth - 1);
    close(inner);
    if (code < 0) return code;
    return unlinkat(folder, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

int cplatform_remove_tree(const char *path) { return remove_at(AT_FDCWD, path, 128); }

// MARK: The end

// What a program started may still make files for a moment after SIGKILL: until its whole group is gone. Bounded as in wait_for.
static void wait_for_group(pid_t group) {
    waitpid(group, NULL, WNOHANG);
    for (int i = 0; i < 2000 && kill(-group, 0) == 0; i++) pause_a_millisecond();
}

static bool is_path(int kind) { return kind == PATH || kind == MAKING; }

static void undo_all(void) {
    atomic_store(&ending, true);
    for (struct entry *entry = atomic_load(&list); entry; entry = entry->next) {
        int kind = atomic_load(&entry->kind);
        if (kind == GROUP || kind == PROCESS) stop(entry, kind);
    }
    for (struct entry *entry = atomic_load(&list); entry; entry = entry->next) {
        int kind = atomic_load(&entry->kind);
        if (kind == GROUP || kind == PROCESS) wait_for(entry, 2000);
        if (kind == GROUP) wait_for_group(entry->process);
    }
    // A thread that has begun to make a folder comes to its end; this one, when the signal interrupted it there, does not.
    for (struct entry *entry = atomic_load(&list); entry; entry = entry->next)
        for (int i = 0; i < 2000 && atomic_load(&entry->kind) == MAKING && entry->process != gettid(); i++) pause_a_millisecond();
    // A file that another thread makes meanwhile keeps a folder from going: again.
    for (struct entry *entry = atomic_load(&list); entry; entry = entry->next)
        for (int i = 0; i < 50 && is_path(atomic_load(&entry->kind)) && cplatform_remove_tree(entry->path) < 0; i++) pause_a_millisecond();
}

static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
enum { ENDINGS = sizeof endings / sizeof *endings };

void cplatform_end_by(int number) {
    sigset_t all, one;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    undo_all();
    signal(number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, number);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    _exit(128 + number);
}

void cplatform_exit_in_order(int status) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    undo_all();
    _exit(status);
}

int cplatform_rename(const char *from, const char *to, bool replacing) {
    if (replacing) return rename(from, to) < 0 ? -errno : 0;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -errno;
    // A file system without that.
    struct stat status;
    if (lstat(to, &status) == 0) return -EEXIST;
    return rename(from, to) < 0 ? -errno : 0;
}

void cplatform_end_in_order(void) {
    struct sigaction action = {.sa_handler = cplatform_end_by};
    sigfillset(&action.sa_mask);
    for (int i = 0; i < ENDINGS; i++) {
        struct sigaction before;
        if (sigaction(endings[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN) continue;
        sigaction(endings[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN);
}

void cplatform_open_standard(void) {
    // The wrong way round, as in gnulib's stdopen: what the program prints is not lost without a word.
    for (int number = 0; number < 3; number++)
        if (fcntl(number, F_GETFD) < 0 && errno == EBADF) open("/dev/null", number == 0 ? O_WRONLY : O_RDONLY);
}
