import Platform
import Glibc
import KVM
import Testing

@testable import Node

/// The guest's serial port has the speed that the board's description states.
@Suite struct GuestConsoleTests {
    @Test(arguments: [(9600, B9600), (19200, B19200), (57600, B57600), (115_200, B115200), (1_500_000, B1500000)])
    func thePortHasTheBoardsSpeed(rate: Int, speed: Int32) throws {
        let terminal = try PseudoTerminal()
        _ = try GuestConsole(device: terminal.path, baudRate: rate)
        #expect(try terminal.speed() == speed_t(speed))
    }

    @Test func aSpeedThatLinuxDoesNotHaveIsNamed() throws {
        let terminal = try PseudoTerminal()
        let before = try terminal.speed()
        let problem = #expect(throws: SystemError.self) { _ = try GuestConsole(device: terminal.path, baudRate: 31250) }
        #expect(problem?.description.hasPrefix("set 31250 bits per second on guest console \(terminal.path) failed") == true)
        #expect(try terminal.speed() == before)
    }

    private struct PseudoTerminal: ~Copyable {
        private let descriptor: Int32
        let path: String

        init() throws {
            descriptor = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY)
            // TIOCSPTLCK with zero unlocks the other end, TIOCGPTN gives its number (ioctl_tty(2)).
            var (lock, number): (Int32, UInt32) = (0, 0)
            try #require(unsafe ioctl(descriptor, 0x4004_5431, &lock) == 0 && ioctl(descriptor, 0x8004_5430, &number) == 0)
            path = "/dev/pts/\(number)"
        }

        deinit { close(descriptor) }

        func speed() throws -> speed_t {
            var settings = termios()
            try #require(unsafe tcgetattr(descriptor, &settings) == 0)
            return unsafe cfgetospeed(&settings)
        }
    }
}
