/// One device of the machine: registers, and time. The caller serializes all calls, and after each of them takes the
/// device's signals. A device waits for nothing and touches no guest memory in these calls: what takes time is the work of
/// its back end, a thread of its own.
///
/// Time is nanoseconds from any fixed origin and never goes back.
package protocol Device: AnyObject {
    /// - Parameter size: 1, 2, 4 or 8 bytes, all inside one block of the device.
    func read(_ register: DeviceRegister, size: Int, now: UInt64) -> UInt64
    /// - Parameter value: bits above `size` bytes are zero.
    func write(_ register: DeviceRegister, size: Int, value: UInt64, now: UInt64)
    /// When `expire` has to be called next even if nobody accesses the device; nil: not at all.
    func deadline(now: UInt64) -> UInt64?
    /// `deadline` does nothing but raise the device's wire, so that nobody needs to wake for it while the wire is masked.
    var deadlineOnlyRaisesWire: Bool { get }
    /// Takes notice of the time. Called before each access as well.
    func expire(now: UInt64)
    /// Hands over what happened since the last call.
    func takeSignals() -> DeviceSignals
}

extension Device {
    package func deadline(now: UInt64) -> UInt64? { nil }
    package var deadlineOnlyRaisesWire: Bool { false }
    package func expire(now: UInt64) {}
    package func takeSignals() -> DeviceSignals { DeviceSignals() }
}

/// Where in a device's own register file an access falls.
package struct DeviceRegister: Sendable, Equatable {
    package var space: DeviceAccess.Space
    package var offset: UInt64

    package init(space: DeviceAccess.Space, offset: UInt64) {
        self.space = space
        self.offset = offset
    }
}

/// What a device asks of the machine.
package struct DeviceSignals: Sendable, Equatable {
    package enum PowerRequest: Sendable { case none, shutdown, reset }

    /// Level of the device's wire.
    package var wire = false
    /// The wire rose and fell again.
    package var pulsesWire = false
    /// Interrupt messages to route.
    package var interrupts: [InterruptMessage] = []
    package var power = PowerRequest.none
    /// The device's back end has something to do (bytes to print, a queue to look at).
    package var wakesBackEnd = false

    package init() {}
}

/// A wider access to registers of one byte is one access a byte, lowest first.
enum ByteRegisters {
    static func read(_ offset: UInt64, size: Int, _ byte: (UInt64) -> UInt8) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<size { value |= UInt64(byte(offset + UInt64(index))) << UInt64(index * 8) }
        return value
    }

    static func write(_ offset: UInt64, size: Int, value: UInt64, _ byte: (UInt64, UInt8) -> Void) {
        for index in 0..<size { byte(offset + UInt64(index), UInt8(truncatingIfNeeded: value >> UInt64(index * 8))) }
    }
}
