import Glibc

/// A system call that failed: what was tried, on what, and the errno it gave.
package struct SystemError: Error, CustomStringConvertible, Sendable {
    package let call: String
    package let subject: String
    package let code: Int32

    package init(_ call: String, on subject: String, code: Int32) {
        self.call = call
        self.subject = subject
        self.code = code
    }

    package var description: String {
        let reason = unsafe String(cString: strerror(code))
        return "\(call) on \(subject) failed: \(reason) (errno \(code))"
    }
}

/// Turns a shim's "value or -errno" into a value or a typed error.
@discardableResult
package func checked(_ value: Int32, _ call: String, on subject: @autoclosure () -> String) throws(SystemError) -> Int32 {
    guard value >= 0 else { throw SystemError(call, on: subject(), code: -value) }
    return value
}
