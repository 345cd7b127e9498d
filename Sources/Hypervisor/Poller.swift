import CKVM
import Glibc

/// An epoll instance whose timeouts are in nanoseconds; each descriptor is known by a number of the caller's.
package struct Poller: ~Copyable {
    private let descriptor: FileDescriptor
    private var ready = [UInt32](repeating: 0, count: 64)

    package init() throws(HypervisorError) {
        descriptor = FileDescriptor(try checked(ckvm_epoll_create(), "epoll_create1", on: "poller"))
    }

    package func add(_ fd: Int32, as number: UInt32) throws(HypervisorError) {
        try checked(ckvm_epoll_set(descriptor.rawValue, fd, number, true, false, true), "epoll_ctl", on: "descriptor \(fd)")
    }

    package func watch(_ fd: Int32, as number: UInt32, writable: Bool) throws(HypervisorError) {
        try checked(ckvm_epoll_set(descriptor.rawValue, fd, number, true, writable, false), "epoll_ctl", on: "descriptor \(fd)")
    }

    package func remove(_ fd: Int32) throws(HypervisorError) {
        try checked(ckvm_epoll_remove(descriptor.rawValue, fd), "epoll_ctl", on: "descriptor \(fd)")
    }

    /// Waits until something is ready or `timeout` nanoseconds have passed (nil: no limit); how many are ready.
    package mutating func wait(timeout: UInt64?) throws(HypervisorError) -> Int {
        let limit = timeout.map { Int64(min($0, 3_600_000_000_000)) } ?? -1
        let capacity = Int32(ready.count)
        let fd = descriptor.rawValue
        let count = unsafe ready.withUnsafeMutableBufferPointer { unsafe ckvm_epoll_wait(fd, $0.baseAddress, capacity, limit) }
        return Int(try checked(count, "epoll_pwait2", on: "poller"))
    }

    package func ready(_ index: Int) -> UInt32 { ready[index] }
}

/// A flag that wakes a poller from any thread (eventfd(2)).
package struct WakeEvent: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    package init() throws(HypervisorError) {
        descriptor = FileDescriptor(try checked(ckvm_event_create(), "eventfd", on: "wake event"))
    }

    package var rawDescriptor: Int32 { descriptor.rawValue }

    package func raise() {
        var one: UInt64 = 1
        _ = unsafe write(descriptor.rawValue, &one, 8)
    }

    package func clear() {
        var count: UInt64 = 0
        _ = unsafe read(descriptor.rawValue, &count, 8)
    }
}

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
        unsafe ckvm_park(token, timeout.map { Int64(min($0, 3_600_000_000_000)) } ?? -1)
    }

    package func unpark() { unsafe ckvm_unpark(token) }
}

/// Names the calling thread for ps and debuggers (first 15 bytes).
package func nameThread(_ name: String) { unsafe ckvm_name_thread(name) }

/// Asks for a real-time priority (1...99) for the calling thread; false when the kernel refuses.
@discardableResult
package func becomeRealtime(priority: Int32) -> Bool { ckvm_realtime(priority) >= 0 }

/// Keeps the calling thread, and those it makes, to one processor (sched_setaffinity(2)); false when the kernel refuses.
@discardableResult
package func keepToProcessor(_ processor: Int32) -> Bool { ckvm_keep_to_processor(processor) >= 0 }
