internal import CPlatform

/// A file or folder that must not outlive this process: when a signal ends it in order (``ProgramStart``), it goes.
// SAFETY: the entry is one of a list that only ever grows, and is changed by atomic operations.
@safe
package struct UndoEntry: @unchecked Sendable {
    private let handle: UnsafeMutableRawPointer?

    /// Make it before the file.
    package init(_ path: String) { unsafe handle = cplatform_undo(path) }

    /// Makes a folder of mode 0700, and the entry with it: no signal comes between the two, on whatever thread.
    init(makingFolder path: String) throws(SystemError) {
        var handle: UnsafeMutableRawPointer?
        // SAFETY: the path is a C string, and the handle is filled in before the call returns.
        try checked(unsafe cplatform_make_folder(path, &handle), "mkdir", on: path)
        unsafe self.handle = unsafe handle
    }

    /// Call it once, when the file is gone or has its place.
    package func forget() { unsafe cplatform_undo_forget(handle) }
}
