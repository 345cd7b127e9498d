import Glibc

/// A folder on which a file system of the stick is mounted.
enum MountedFolder {
    /// Mounts it anew, writable or not; false, with errno, when that fails. A folder on which nothing is mounted is one of the failures.
    static func setWritable(_ folder: String, _ isWritable: Bool) -> Bool {
        let flags = UInt(MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC) | (isWritable ? 0 : UInt(MS_RDONLY))
        return unsafe mount(nil, folder, nil, flags, nil) == 0
    }
}
