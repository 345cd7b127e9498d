internal import Platform

/// What the C library calls an error number.
package func errorText(_ code: Int32) -> String { SystemError.reason(code) }
