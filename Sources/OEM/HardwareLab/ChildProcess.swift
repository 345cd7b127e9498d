import Contract
import BoardSupport
import Glibc
import Platform

/// A process that cannot outlive the lab: it gets SIGKILL when the thread that started it ends, however that happens,
/// and when this object is released.
///
/// The parent-death signal (prctl(2), PR_SET_PDEATHSIG) belongs to the *thread* that started the process; start and
/// use it on one thread that lives long enough. The process has its own process group, so a ^C typed at the lab's
/// terminal reaches the lab alone, which then ends its processes in order.
package final class ChildProcess {
    package let identifier: Int32
    package private(set) var exit: Exit?

    package enum Exit: Equatable, Sendable {
        case status(Int32)
        case signal(Int32)
    }

    /// Starts `arguments` (a path or a name in PATH, then its arguments). `descriptors` become 3, 4, ... in the
    /// process, `output` its standard output and error; standard input is empty.
    package init(_ arguments: [String], descriptors: [Int32] = [], output: Int32) throws(LabError) {
        // The shell closes the gap in which the lab dies before setpriv has asked for the signal.
        let guardian = [
            "setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", #"[ "$PPID" = "$0" ] && exec "$@""#, "\(getpid())",
        ]
        let words = guardian + arguments

        // Copies far above the numbers that the process will see, so that none is overwritten before its turn.
        var copies: [Int32] = []
        defer { for copy in copies { _ = close(copy) } }
        for descriptor in descriptors {
            let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 256)
            guard copy >= 0 else { throw LabError(SystemError("fcntl(F_DUPFD_CLOEXEC)", on: arguments[0], code: errno)) }
            copies.append(copy)
        }
        var pid: pid_t = 0
        let code = spawn(words, copies: copies, output: output, pid: &pid)
        guard code == 0 else {
            throw LabError(.unavailable, "cannot start \(arguments[0]): \(SystemError.reason(code))")
        }
        identifier = pid
    }

    deinit { kill() }

    package var isRunning: Bool {
        check()
        return exit == nil
    }

    /// Sends SIGKILL and waits until the process is gone.
    package func kill() {
        check()
        guard exit == nil else { return }
        _ = Glibc.kill(identifier, SIGKILL)
        collect(0)
    }

    private func check() {
        if exit == nil { collect(WNOHANG) }
    }

    private func collect(_ options: Int32) {
        var status: Int32 = 0
        var result: pid_t
        // SAFETY: waitpid(2) writes one Int32.
        repeat { result = unsafe waitpid(identifier, &status, options) } while result < 0 && errno == EINTR
        if result == identifier {
            let signal = status & 0x7F
            exit = signal == 0 ? .status((status >> 8) & 0xFF) : .signal(signal)
        } else if result < 0 {
            exit = .status(0)
        }
    }
}

/// posix_spawnp(3) with everything the lab needs; returns an error number.
private func spawn(_ words: [String], copies: [Int32], output: Int32, pid: inout pid_t) -> Int32 {
    // SAFETY: the two attribute objects are initialised before use and destroyed once; the argument vector holds
    // strdup copies that are freed after the call and ends with nil.
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
        unsafe posix_spawn_file_actions_destroy(&actions)
        unsafe posix_spawnattr_destroy(&attributes)
    }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 2)
    for (index, copy) in copies.enumerated() {
        unsafe posix_spawn_file_actions_adddup2(&actions, copy, Int32(3 + index))
    }
    var none = sigset_t()
    var all = sigset_t()
    unsafe sigemptyset(&none)
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))
    var vector: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
    unsafe vector.append(nil)
    defer { for unsafe word in unsafe vector { unsafe free(word) } }
    return unsafe posix_spawnp(&pid, words[0], &actions, &attributes, vector, environ)
}
