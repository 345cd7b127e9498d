internal import Glibc

/// A system call that failed: what was tried, on what, and the errno it gave.
package struct SystemError: Error, Equatable, CustomStringConvertible, Sendable {
    package let call: String
    package let subject: String
    package let code: Int32

    package init(_ call: String, on subject: String, code: Int32) {
        self.call = call
        self.subject = subject
        self.code = code
    }

    /// The kernel had no memory for it (ENOMEM).
    package var isOutOfMemory: Bool { code == ENOMEM }

    /// It waited for as long as it was allowed to.
    package var isTimeout: Bool { code == ETIMEDOUT }

    /// Why it failed: the C library's words, and the number.
    package var reason: String { Self.reason(code) }

    package var description: String { "\(call) on \(subject) failed: \(reason)" }

    /// The C library's words for an errno, and the number: `No such file or directory (errno 2)`.
    package static func reason(_ code: Int32) -> String {
        // SAFETY: strerror returns a C string for every value; the copy is made at once.
        unsafe String(cString: strerror(code)) + " (errno \(code))"
    }
}

/// Turns "value or -errno", as the shims and `uninterrupted` give it, into a value or a typed error.
@discardableResult
package func checked(_ value: Int32, _ call: String, on subject: @autoclosure () -> String) throws(SystemError) -> Int32 {
    guard value >= 0 else { throw SystemError(call, on: subject(), code: -value) }
    return value
}

/// The same for calls that count bytes.
@discardableResult
package func checked(_ value: Int, _ call: String, on subject: @autoclosure () -> String) throws(SystemError) -> Int {
    guard value >= 0 else { throw SystemError(call, on: subject(), code: Int32(-value)) }
    return value
}

/// Makes a system call again while signals interrupt it.
///
/// - Returns: its value, or -errno when it failed.
@inline(__always)
package func uninterrupted<Value: SignedInteger>(_ call: () -> Value) -> Value {
    while true {
        let value = call()
        guard value < 0 else { return value }
        let code = errno
        if code != EINTR { return -Value(code) }
    }
}
