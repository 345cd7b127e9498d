package import Platform
import Glibc
internal import KVM

/// The outside end of the guest's serial console: a serial device of node 0, or standard input and output.
package struct GuestConsole: Sendable {
    /// The serial device, which is open as long as this is.
    private let port: SharedDescriptor?
    private let input: Int32
    private let output: Int32

    /// Linux's speeds (termios(3)).
    private static let speeds = [
        1200: B1200, 1800: B1800, 2400: B2400, 4800: B4800, 9600: B9600, 19200: B19200, 38400: B38400, 57600: B57600, 115_200: B115200,
        230_400: B230400, 460_800: B460800, 500_000: B500000, 576_000: B576000, 921_600: B921600, 1_000_000: B1000000, 1_152_000: B1152000,
        1_500_000: B1500000, 2_000_000: B2000000, 2_500_000: B2500000, 3_000_000: B3000000, 3_500_000: B3500000, 4_000_000: B4000000,
    ]

    /// - Parameter device: path of a terminal device, 8N1 at `baudRate`; nil for standard input and output.
    /// - Throws: EINVAL when Linux has no such speed.
    package init(device: String?, baudRate: Int = 115_200) throws(SystemError) {
        guard let device else {
            port = nil
            input = STDIN_FILENO
            output = STDOUT_FILENO
            return
        }
        guard let speed = Self.speeds[baudRate] else {
            throw SystemError("set \(baudRate) bits per second", on: "guest console \(device)", code: EINVAL)
        }
        do throws(SystemError) {
            port = SharedDescriptor(try FileDescriptor(opening: device, for: .readWrite, [.noTerminal, .nonBlocking]))
        } catch {
            throw SystemError("open", on: "guest console \(device)", code: error.code)
        }
        let fd = port?.rawValue ?? -1
        var settings = termios()
        if unsafe tcgetattr(fd, &settings) == 0 {
            unsafe cfmakeraw(&settings)
            settings.c_cflag |= tcflag_t(CLOCAL | CREAD)
            unsafe cfsetspeed(&settings, speed_t(speed))
            unsafe tcsetattr(fd, TCSANOW, &settings)
        }
        input = fd
        output = fd
    }

    /// For tests: a pipe or socket of the caller's.
    package init(input: Int32, output: Int32) {
        port = nil
        self.input = input
        self.output = output
    }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(output, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN || errno == EINTR {
                var request = pollfd(fd: output, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&request, 1, 1000)
            } else {
                return
            }
        }
    }

    /// Waits until the device has sent what was written.
    func drain() { tcdrain(output) }

    /// What has been typed, after waiting up to the time-out; empty when nothing was, or at end of input.
    func read(timeoutMilliseconds: Int32) -> [UInt8] {
        var request = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&request, 1, timeoutMilliseconds) > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(input, $0.baseAddress, $0.count) }
        guard count > 0 else {
            usleep(UInt32(timeoutMilliseconds) * 1000)
            return []
        }
        return Array(buffer.prefix(count))
    }
}
