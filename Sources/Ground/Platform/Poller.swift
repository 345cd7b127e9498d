import CPlatform

/// An epoll instance whose timeouts are in nanoseconds; each descriptor is known by a number of the caller's.
package struct Poller: ~Copyable {
    private let descriptor: FileDescriptor
    private var ready = [UInt32](repeating: 0, count: 64)

    package init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try checked(cplatform_epoll_create(), "epoll_create1", on: "poller"), as: "poller")
    }

    package func add(_ fd: Int32, as number: UInt32) throws(SystemError) {
        try checked(cplatform_epoll_set(descriptor.rawValue, fd, number, true, false, true), "epoll_ctl", on: "descriptor \(fd)")
    }

    package func watch(_ fd: Int32, as number: UInt32, writable: Bool) throws(SystemError) {
        try checked(cplatform_epoll_set(descriptor.rawValue, fd, number, true, writable, false), "epoll_ctl", on: "descriptor \(fd)")
    }

    package func remove(_ fd: Int32) throws(SystemError) {
        try checked(cplatform_epoll_remove(descriptor.rawValue, fd), "epoll_ctl", on: "descriptor \(fd)")
    }

    /// Waits until something is ready or `timeout` nanoseconds have passed (nil: no limit); how many are ready.
    package mutating func wait(timeout: UInt64?) throws(SystemError) -> Int {
        let limit = timeout.map { Int64(min($0, 3_600_000_000_000)) } ?? -1
        let capacity = Int32(ready.count)
        let fd = descriptor.rawValue
        let count = unsafe ready.withUnsafeMutableBufferPointer { unsafe cplatform_epoll_wait(fd, $0.baseAddress, capacity, limit) }
        return Int(try checked(count, "epoll_pwait2", on: "poller"))
    }

    package func ready(_ index: Int) -> UInt32 { ready[index] }
}
