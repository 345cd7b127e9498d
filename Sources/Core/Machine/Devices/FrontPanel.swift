/// What an operator does to the machine from outside: writes to addresses of their own, so that it works from every node.
package enum FrontPanel {
    /// A short press on the power button: the guest is asked to shut down (ACPI 6.5, 4.8.2.2.1.1).
    package static let power = DeviceAccess(space: .panel, address: 0, size: 1)
    /// The reset button: the machine starts again at once.
    package static let reset = DeviceAccess(space: .panel, address: 1, size: 1)
    /// BREAK on the console's line, then the key that is written: Linux's magic system request.
    package static let systemRequest = DeviceAccess(space: .panel, address: 2, size: 1)
    static let buttons: UInt64 = 3
}
