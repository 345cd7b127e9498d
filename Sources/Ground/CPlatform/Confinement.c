#define _GNU_SOURCE
#include "CPlatformConfinement.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/watchdog.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

// MARK: Dumps and capabilities

int cplatform_no_dumps(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) < 0) return -errno;
    return result(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

int cplatform_allow_realtime(void) {
    struct rlimit limit = {99, 99};
    return result(setrlimit(RLIMIT_RTPRIO, &limit));
}

int cplatform_keep_capabilities(uint64_t kept) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -errno;
    uint64_t had = data[0].permitted | (uint64_t)data[1].permitted << 32;
    // The bounding set first: that takes CAP_SETPCAP, which goes with the others.
    if (had & (UINT64_C(1) << CAP_SETPCAP))
        for (int number = 0; number < 64; number++)
            if (!(kept >> number & 1) && prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) return -errno;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL) return -errno;
    for (int word = 0; word < 2; word++) {
        data[word].permitted &= (uint32_t)(kept >> 32 * word);
        data[word].effective = data[word].permitted;
        data[word].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, data) < 0) return -errno;
    return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

// MARK: Files

// The rights of landlock's first version; those of later ones are refused wherever the kernel knows them.
enum {
    READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
    WRITE = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE,
    CHANGE = READ | WRITE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
             LANDLOCK_ACCESS_FS_MAKE_SOCK,
    // LANDLOCK_ACCESS_FS_REFER and LANDLOCK_ACCESS_FS_TRUNCATE, which the headers of older systems lack.
    REFER = 1 << 13, TRUNCATE = 1 << 14,
    FIRST_VERSION = (1 << 13) - 1,
};

int cplatform_keep_to_files(const struct cplatform_place *places, int count) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0) return -errno;
    uint64_t handled = FIRST_VERSION | (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0);
    struct landlock_ruleset_attr attributes = {.handled_access_fs = handled};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes.handled_access_fs, 0);
    if (rules < 0) return -errno;
    int code = 0;
    for (int i = 0; i < count && code == 0; i++) {
        int place = open(places[i].path, O_PATH | O_CLOEXEC);
        if (place < 0) continue;
        static const uint64_t rights[] = {READ, WRITE | TRUNCATE, CHANGE | TRUNCATE};
        uint64_t allowed = rights[places[i].access];
        // A file takes the rights of files only.
        int folder = open(places[i].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder >= 0) close(folder);
        else allowed &= WRITE | TRUNCATE;
        struct landlock_path_beneath_attr rule = {.allowed_access = allowed & handled, .parent_fd = place};
        if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0) code = -errno;
        close(place);
    }
    if (code == 0) code = result(syscall(SYS_landlock_restrict_self, rules, 0));
    close(rules);
    return code;
}

// MARK: System calls

// What a node does once it is set up, from traced runs of two nodes with every command of `vsmp machine`, an update and each kind of end
// (docs/threat-model.md), and what the C library and the Swift runtime may do besides. The most frequent first.
static const int allowed[] = {
    SYS_ioctl, SYS_futex, SYS_read, SYS_write, SYS_epoll_pwait2, SYS_sendmsg, SYS_recvmsg, SYS_sendto, SYS_recvfrom, SYS_clock_nanosleep, SYS_poll, SYS_ppoll,
    SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_ctl, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_madvise,
    SYS_munmap, SYS_mremap, SYS_brk, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_sigaltstack, SYS_tgkill, SYS_gettid, SYS_getpid,
    SYS_sched_yield, SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_time, SYS_nanosleep, SYS_restart_syscall, SYS_getrandom, SYS_getcpu,
    // Threads.
    SYS_set_robust_list, SYS_rseq, SYS_set_tid_address, SYS_exit, SYS_exit_group, SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_setscheduler,
    SYS_sched_getscheduler, SYS_sched_getparam, SYS_membarrier, SYS_sysinfo, SYS_uname, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
    // Files that landlock lets it open.
    SYS_open, SYS_openat, SYS_close, SYS_stat, SYS_fstat, SYS_lstat, SYS_newfstatat, SYS_statx, SYS_lseek, SYS_fcntl, SYS_flock, SYS_getdents64, SYS_readlink,
    SYS_readlinkat, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_getcwd, SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_rmdir,
    SYS_mkdir, SYS_mkdirat, SYS_chmod, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_ftruncate, SYS_fsync, SYS_fdatasync, SYS_sync, SYS_syncfs, SYS_fadvise64,
    SYS_statfs, SYS_fstatfs, SYS_dup, SYS_dup2, SYS_dup3, SYS_pipe2, SYS_eventfd2, SYS_epoll_create1, SYS_memfd_create, SYS_mlock, SYS_munlock,
    // The wire and the operator's socket.
    SYS_connect, SYS_accept, SYS_accept4, SYS_bind, SYS_listen, SYS_shutdown, SYS_getsockname, SYS_getpeername, SYS_setsockopt, SYS_getsockopt,
    SYS_recvmmsg, SYS_sendmmsg, SYS_select, SYS_pselect6, SYS_socketpair,
    // The guest's memory, and the trace of KVM's shadow pages.
    SYS_userfaultfd, SYS_perf_event_open,
};

// Nothing in this program makes these: an attacker does.
static const int deadly[] = {
    SYS_execve, SYS_execveat, SYS_fork, SYS_vfork, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
    SYS_unshare, SYS_setns, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load, SYS_bpf, SYS_open_by_handle_at,
    SYS_fsopen, SYS_fsmount, SYS_move_mount, SYS_open_tree, SYS_reboot, SYS_iopl, SYS_ioperm, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setresuid, SYS_capset,
    SYS_keyctl, SYS_add_key, SYS_request_key, SYS_io_uring_setup, SYS_mknod, SYS_mknodat, SYS_swapon, SYS_settimeofday, SYS_clock_settime, SYS_personality,
};

enum { ALLOWED = sizeof allowed / sizeof *allowed, DEADLY = sizeof deadly / sizeof *deadly, SAID = 1024 };
static _Atomic bool said[SAID];
static int end_status;

static char *append(char *at, const char *text) {
    while (*text) *at++ = *text++;
    return at;
}

static char *append_number(char *at, unsigned number) {
    char digits[12];
    int count = 0;
    do digits[count++] = (char)('0' + number % 10); while (number /= 10);
    while (count > 0) *at++ = digits[--count];
    return at;
}

// Runs in place of the call, with nothing but system calls of the list.
static void refused(int signal, siginfo_t *info, void *context) {
    (void)signal;
    int error = errno;
    bool ends = info->si_errno == 1;
    int number = info->si_syscall;
    if (ends || number < 0 || number >= SAID || !atomic_exchange(&said[number], true)) {
        char line[200], *at = append(line, "vsmp: REFUSED system call ");
        at = append_number(at, (unsigned)number);
        at = append(at, ends ? ", which no part of vsmpd makes: this node ends; report it, something else may run in it\n"
                             : ", which is not on this node's list (docs/threat-model.md): it fails with EPERM; report it\n");
        ssize_t written = write(STDERR_FILENO, line, (size_t)(at - line));
        (void)written;
    }
    if (ends) _exit(end_status);
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -EPERM;
    errno = error;
}

#define LOAD(offset) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define RETURN(value) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (value))
#define IF_EQUAL(value, then, otherwise) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (otherwise))
#define IF_SET(bits, then, otherwise) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (then), (otherwise))
#define ARGUMENT(index) (offsetof(struct seccomp_data, args) + 8 * (index))
#define REFUSE (SECCOMP_RET_TRAP | 0)
#define END (SECCOMP_RET_TRAP | 1)

int cplatform_keep_to_calls(int status) {
    struct sock_filter code[2 * (ALLOWED + DEADLY) + 64];
    int count = 0;
    code[count++] = LOAD(offsetof(struct seccomp_data, arch));
    code[count++] = IF_EQUAL(AUDIT_ARCH_X86_64, 1, 0);
    code[count++] = RETURN(SECCOMP_RET_KILL_PROCESS);
    // Calls of the x32 interface have bit 30 set and so are on no list.
    code[count++] = LOAD(offsetof(struct seccomp_data, nr));
    for (int i = 0; i < ALLOWED; i++) {
        code[count++] = IF_EQUAL((uint32_t)allowed[i], 0, 1);
        code[count++] = RETURN(SECCOMP_RET_ALLOW);
    }
    for (int i = 0; i < DEADLY; i++) {
        code[count++] = IF_EQUAL((uint32_t)deadly[i], 0, 1);
        code[count++] = RETURN(END);
    }
    // Memory is never made executable.
    code[count++] = IF_EQUAL(SYS_mmap, 1, 0);
    code[count++] = IF_EQUAL(SYS_mprotect, 0, 4);
    code[count++] = LOAD(ARGUMENT(2));
    code[count++] = IF_SET(PROT_EXEC, 0, 1);
    code[count++] = RETURN(END);
    code[count++] = RETURN(SECCOMP_RET_ALLOW);
    // A thread, and no process. The C library tries clone3, whose flags no filter can read, and goes on with clone.
    code[count++] = IF_EQUAL(SYS_clone3, 0, 1);
    code[count++] = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
    code[count++] = IF_EQUAL(SYS_clone, 0, 4);
    code[count++] = LOAD(ARGUMENT(0));
    code[count++] = IF_SET(CLONE_THREAD, 0, 1);
    code[count++] = RETURN(SECCOMP_RET_ALLOW);
    code[count++] = RETURN(END);
    // Names of threads and of mappings.
    code[count++] = IF_EQUAL(SYS_prctl, 0, 6);
    code[count++] = LOAD(ARGUMENT(0));
    code[count++] = IF_EQUAL(PR_SET_NAME, 2, 0);
    code[count++] = IF_EQUAL(PR_GET_NAME, 1, 0);
    code[count++] = IF_EQUAL(0x53564d41 /* PR_SET_VMA */, 0, 1);
    code[count++] = RETURN(SECCOMP_RET_ALLOW);
    code[count++] = RETURN(REFUSE);
    // The limits can be read.
    code[count++] = IF_EQUAL(SYS_prlimit64, 0, 6);
    code[count++] = LOAD(ARGUMENT(2));
    code[count++] = IF_EQUAL(0, 0, 3);
    code[count++] = LOAD(ARGUMENT(2) + 4);
    code[count++] = IF_EQUAL(0, 0, 1);
    code[count++] = RETURN(SECCOMP_RET_ALLOW);
    code[count++] = RETURN(REFUSE);
    // The wire, the operator, and getifaddrs(3).
    code[count++] = IF_EQUAL(SYS_socket, 1, 0);
    code[count++] = RETURN(REFUSE);
    code[count++] = LOAD(ARGUMENT(0));
    code[count++] = IF_EQUAL(AF_UNIX, 4, 0);
    code[count++] = IF_EQUAL(AF_INET, 3, 0);
    code[count++] = IF_EQUAL(AF_INET6, 2, 0);
    code[count++] = IF_EQUAL(AF_NETLINK, 1, 0);
    code[count++] = RETURN(REFUSE);
    code[count++] = RETURN(SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = (unsigned short)count, .filter = code};
    struct sigaction action = {.sa_sigaction = refused, .sa_flags = SA_SIGINFO | SA_NODEFER};
    end_status = status;
    if (sigaction(SIGSYS, &action, NULL) < 0) return -errno;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
    long code_or_thread = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    return code_or_thread > 0 ? -ESRCH : result(code_or_thread);
}

// MARK: Helpers

// A process with one capability: the parent's end of a socket to it, or -errno; in the new process 0 and its own end in `keep`.
static int helper(const char *name, int capability, int *keep) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
    pid_t parent = getpid(), child = fork();
    if (child < 0) {
        int error = errno;
        close(ends[0]), close(ends[1]);
        return -error;
    }
    if (child > 0) {
        close(ends[1]);
        return ends[0];
    }
    // Nothing of the parent's is open here, and its signals are its own.
    *keep = ends[1];
    if (*keep > 3) dup2(*keep, 3), *keep = 3;
    syscall(SYS_close_range, *keep + 1, ~0U, 0);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    prctl(PR_SET_NAME, name, 0, 0, 0);
    if (cplatform_keep_capabilities(UINT64_C(1) << capability) < 0) _exit(1);
    return 0;
}

// Sends a wish to a helper and takes its answer: 0 or -errno.
static int ask(int helper, const void *wish, size_t size) {
    int code;
    ssize_t count;
    do count = send(helper, wish, size, MSG_NOSIGNAL); while (count < 0 && errno == EINTR);
    if (count != (ssize_t)size) return -errno;
    do count = read(helper, &code, sizeof code); while (count < 0 && errno == EINTR);
    return count == sizeof code ? code : count < 0 ? -errno : -EPIPE;
}

int cplatform_port_sizer(const char *interface) {
    int keep, end = helper("vsmp-port-sizer", CAP_NET_ADMIN, &keep);
    if (end != 0) return end;
    int mtu, control = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    while (read(keep, &mtu, sizeof mtu) == sizeof mtu) {
        struct ifreq request = {.ifr_mtu = mtu};
        strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
        int code = ioctl(control, SIOCSIFMTU, &request) < 0 ? -errno : 0;
        if (write(keep, &code, sizeof code) != sizeof code) break;
    }
    _exit(0);
}

int cplatform_size_port(int sizer, int mtu) { return ask(sizer, &mtu, sizeof mtu); }

int cplatform_remounter(const char *folder) {
    int keep, end = helper("vsmp-remounter", CAP_SYS_ADMIN, &keep);
    if (end != 0) return end;
    char wish;
    while (read(keep, &wish, 1) == 1) {
        unsigned long flags = MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC | (wish == 'w' ? 0 : MS_RDONLY);
        int code = mount(NULL, folder, NULL, flags, NULL) < 0 ? -errno : 0;
        if (write(keep, &code, sizeof code) != sizeof code) break;
    }
    _exit(0);
}

int cplatform_remount(int remounter, bool writable) {
    char wish = writable ? 'w' : 'r';
    return ask(remounter, &wish, 1);
}

// MARK: The rest

int cplatform_watchdog_timeout(int watchdog, int seconds) {
    if (ioctl(watchdog, WDIOC_SETTIMEOUT, &seconds) < 0 && ioctl(watchdog, WDIOC_GETTIMEOUT, &seconds) < 0) return -errno;
    return seconds;
}

long cplatform_send_descriptor(int socket, const void *bytes, unsigned long count, int descriptor) {
    struct iovec vector = {(void *)bytes, count};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {0};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof descriptor), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

long cplatform_receive_descriptor(int socket, void *bytes, unsigned long count, int *descriptor) {
    struct iovec vector = {bytes, count};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof *descriptor)];
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *descriptor = -1;
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0) return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof *descriptor))
            memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
    return got;
}

void cplatform_erase(void *bytes, unsigned long count) { explicit_bzero(bytes, count); }
