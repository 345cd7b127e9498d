internal import Glibc

extension FileDescriptor {
    /// Locks the open file against all who lock it, too, in this process or another (flock(2)). The lock ends with the descriptor.
    ///
    /// - Parameter limit: nanoseconds that it waits for its turn; ETIMEDOUT after them.
    package borrowing func lock(within limit: UInt64) throws(SystemError) {
        let deadline = monotonicNow() + limit
        while true {
            let result = uninterrupted { flock(rawValue, LOCK_EX | LOCK_NB) }
            guard result == -EWOULDBLOCK else {
                try checked(result, "flock", on: subject)
                return
            }
            guard monotonicNow() < deadline else { throw SystemError("flock", on: subject, code: ETIMEDOUT) }
            sleep(nanoseconds: 2_000_000)
        }
    }
}
