import Glibc

/// One open file, closed when its owner goes.
package struct FileDescriptor: ~Copyable, Sendable {
    package let rawValue: Int32

    package init(_ rawValue: Int32) { self.rawValue = rawValue }

    deinit { close(rawValue) }
}
