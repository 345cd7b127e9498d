internal import CPlatform
internal import Glibc

/// One open file, device, pipe or socket, closed when its owner goes. It is close-on-exec.
package struct FileDescriptor: ~Copyable, Sendable {
    package let rawValue: Int32
    /// What is open, for errors: a path, or words.
    package let subject: String

    /// Takes over `rawValue`, which nobody else closes.
    package init(owning rawValue: Int32, as subject: String) {
        precondition(rawValue >= 0, "\(subject) is not open")
        self.rawValue = rawValue
        self.subject = subject
    }

    deinit { _ = close(rawValue) }

    /// A second descriptor for what `rawValue` has open, such as a standard stream.
    package init(duplicating rawValue: Int32, as subject: String) throws(SystemError) {
        let copy = fcntl(rawValue, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw SystemError("fcntl(F_DUPFD_CLOEXEC)", on: subject, code: errno) }
        self.init(owning: copy, as: subject)
    }

    // MARK: Opening

    package enum Access: Sendable { case read, write, readWrite }

    /// open(2)'s flags; close-on-exec is always among them.
    package struct Options: OptionSet, Sendable {
        package let rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let create = Options(rawValue: O_CREAT)
        /// With `create` the file must not exist; on a block device nobody else may hold it.
        package static let exclusive = Options(rawValue: O_EXCL)
        package static let truncate = Options(rawValue: O_TRUNC)
        /// Every write goes to the end that the file has then.
        package static let append = Options(rawValue: O_APPEND)
        /// A symbolic link in the last place is an error.
        package static let noFollow = Options(rawValue: O_NOFOLLOW)
        /// A write returns when its bytes are on the medium.
        package static let synchronous = Options(rawValue: O_SYNC)
        package static let nonBlocking = Options(rawValue: O_NONBLOCK)
        /// A terminal does not become the process's own.
        package static let noTerminal = Options(rawValue: O_NOCTTY)
        package static let folder = Options(rawValue: O_DIRECTORY)
        /// Transfers pass by the page cache. O_DIRECT (asm/fcntl.h), which Swift does not import.
        #if arch(arm64)
            package static let direct = Options(rawValue: 0o200000)
        #else
            package static let direct = Options(rawValue: 0o40000)
        #endif
    }

    /// - Parameter permissions: of a file that is made, less the process's mask.
    package init(
        opening path: String, for access: Access, _ options: Options = [], permissions: UInt32 = 0o644
    ) throws(SystemError) {
        let direction =
            switch access {
            case .read: O_RDONLY
            case .write: O_WRONLY
            case .readWrite: O_RDWR
            }
        let flags = direction | options.rawValue | O_CLOEXEC
        // SAFETY: the path is a C string for the call.
        let raw = uninterrupted { unsafe open(path, flags, mode_t(permissions)) }
        self.init(owning: try checked(raw, "open", on: path), as: path)
    }

    /// An empty file that only memory holds (memfd_create(2)).
    package init(inMemoryAs subject: String) throws(SystemError) {
        self.init(owning: try checked(cplatform_memory_file(), "memfd_create", on: subject), as: subject)
    }
}

/// A descriptor for arrays and closures, which cannot hold one that is not copyable. The last reference closes it.
package final class SharedDescriptor: Sendable {
    package let descriptor: FileDescriptor

    package init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    package var rawValue: Int32 { descriptor.rawValue }
}
