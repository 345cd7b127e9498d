import CPlatform

/// Lets one thread sleep until another wakes it; a wake that comes first is kept.
// SAFETY: the word is allocated for the life of the object and only touched by atomic operations in the shim.
@safe
package final class Parker: @unchecked Sendable {
    private let token: UnsafeMutablePointer<UInt32>

    package init() {
        unsafe token = .allocate(capacity: 1)
        unsafe token.initialize(to: 0)
    }

    deinit { unsafe token.deallocate() }

    /// Sleeps until `unpark`, or for `timeout` nanoseconds. May return early.
    package func park(timeout: UInt64?) {
        unsafe cplatform_park(token, timeout.map { Int64(min($0, 3_600_000_000_000)) } ?? -1)
    }

    package func unpark() { unsafe cplatform_unpark(token) }
}
