public import Contract

/// Why a store, its partition table or its file system could not be read or changed: what was tried, on what, and what to do.
public struct DiskError: Error, Sendable, Equatable, CustomStringConvertible {
    public let exitStatus: ExitStatus
    public let description: String
    /// The device that the kernel or another program holds (EBUSY).
    package let pathInUse: String?

    package init(_ exitStatus: ExitStatus, _ description: String) {
        self.exitStatus = exitStatus
        self.description = description
        pathInUse = nil
    }

    /// - Parameter path: what the kernel or another program holds.
    init(inUse path: String) {
        exitStatus = .refusedForSafety
        description = "\(path) is in use by the kernel or another program: unmount it and close programs that use it (lsof \(path))"
        pathInUse = path
    }
}
