// Programs that this process starts, and what a signal that ends this process must undo first. Functions that return int
// give a value >= 0, or -errno.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cplatform_program {
    const char *path;
    char *const *arguments;
    char *const *environment;
    // Where it works; NULL: where this process works.
    const char *directory;
    // They become 0, 1, 2, ... in the program; nothing else is open there.
    const int *descriptors;
    int descriptor_count;
    // Bytes of address space, < 0: none.
    int64_t memory_limit;
    // A process group of its own, which ends with it. Otherwise it can use the terminal that this process has.
    bool own_group;
};
// Starts a program with no signal blocked or ignored, which gets SIGKILL when the thread that calls this ends. `step` is the call that failed.
int cplatform_spawn(const struct cplatform_program *program, const char **step);
// Whether the program has ended by itself; its status as waitpid(2) gives it, and its group is gone. 0: it runs.
int cplatform_reap(pid_t program, int *status);
// Ends a program that `cplatform_spawn` started, and what it started, and collects it.
void cplatform_stop(pid_t program, int *status);

// A file or folder (with all that is in it) that must not outlive this process: a handle.
void *cplatform_undo(const char *path);
void cplatform_undo_forget(void *handle);
// Makes a folder of mode 0700 that must not outlive this process. 0 or -errno.
int cplatform_make_folder(const char *path, void **handle);
// Removes a file or a folder with all that is in it; links are not followed. Safe in a signal handler.
int cplatform_remove_tree(const char *path);
// From now on SIGINT, SIGTERM, SIGHUP and SIGPIPE stop the programs and remove the files and folders, then end this process as they do by
// themselves. One that is ignored stays so (nohup). SIGXFSZ becomes EFBIG.
void cplatform_end_in_order(void);
// The same now.
void cplatform_end_by(int signal) __attribute__((noreturn));
// The same, and ends with a status.
void cplatform_exit_in_order(int status) __attribute__((noreturn));
// rename(2); without `replacing` what is at `to` stays and the result is -EEXIST.
int cplatform_rename(const char *from, const char *to, bool replacing);
// Opens those of the descriptors 0 to 2 that are closed, so that no file gets their numbers: reading and writing them fails.
void cplatform_open_standard(void);
// A descriptor that can be read when the process has ended.
int cplatform_process_descriptor(pid_t process);
// A file in memory without a name, and a pipe (the end to read from first); both close-on-exec.
int cplatform_memory_file(void);
int cplatform_pipe(int ends[2]);
