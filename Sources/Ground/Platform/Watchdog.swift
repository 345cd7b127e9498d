internal import CPlatform
internal import Glibc

/// A watchdog timer of this computer (Linux, Documentation/watchdog/watchdog-api.rst): it resets the computer when nobody feeds it in time.
package struct Watchdog: ~Copyable {
    private let device: FileDescriptor
    /// Seconds without a meal after which it resets the computer, as the hardware rounds them.
    package let timeout: Int

    /// Opens the device, which starts the timer.
    package init(_ path: String, timeout wanted: Int) throws(SystemError) {
        let device = try FileDescriptor(opening: path, for: .write)
        timeout = Int(try checked(cplatform_watchdog_timeout(device.rawValue, Int32(clamping: wanted)), "WDIOC_SETTIMEOUT", on: path))
        self.device = device
    }

    package borrowing func feed() throws(SystemError) { try device.write([0]) }

    /// Stops the timer: the letter V before the device is closed (`WDIOF_MAGICCLOSE`).
    package consuming func disarm() throws(SystemError) { try device.write(Array("V".utf8)) }
}
