public import Contract
internal import BoardSupport
internal import Disk

/// Why an image, lock or store operation did not work: what was tried, on what, and what to do next.
public struct ImageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The status a command ends with when it reports this error.
    public let exitStatus: ExitStatus
    public let description: String

    public init(_ exitStatus: ExitStatus, _ description: String) {
        self.exitStatus = exitStatus
        self.description = description
    }

    init(_ error: DiskError) { self.init(error.exitStatus, error.description) }
}

/// Gives what the store or file system under an image reports as the image's error.
func onDisk<Value: ~Copyable>(_ body: () throws(DiskError) -> Value) throws(ImageError) -> Value {
    do throws(DiskError) { return try body() } catch { throw ImageError(error) }
}
