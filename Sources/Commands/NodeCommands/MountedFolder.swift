import Glibc
internal import Platform

/// A folder on which a file system of the stick is mounted.
enum MountedFolder {
    /// Another name for a file, on the medium in one write where both names lie in one sector. Linux makes a name that leads to no clusters yet and fills
    /// it when it writes the file's own data back (fs/fat/namei_vfat.c, vfat_rename), so the file goes to the medium before its folder.
    static func rename(_ old: String, to new: String) throws(SystemError) {
        // SAFETY: both are C strings for the call.
        try checked(uninterrupted { unsafe Glibc.rename(old, new) }, "rename", on: old)
        try FileDescriptor(opening: new, for: .read).synchronize()
    }

    /// Mounts it anew, writable or not; false, with errno, when that fails. A folder on which nothing is mounted is one of the failures.
    static func setWritable(_ folder: String, _ isWritable: Bool) -> Bool {
        let flags = UInt(MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC) | (isWritable ? 0 : UInt(MS_RDONLY))
        return unsafe mount(nil, folder, nil, flags, nil) == 0
    }
}
