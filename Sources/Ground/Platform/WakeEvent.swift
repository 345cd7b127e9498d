import CPlatform
import Glibc

/// A flag that wakes a poller from any thread (eventfd(2)).
package struct WakeEvent: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    package init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try checked(cplatform_event_create(), "eventfd", on: "wake event"), as: "wake event")
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
