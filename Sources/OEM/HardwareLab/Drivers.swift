public import Provisioning

/// Whether a board has power.
public enum PowerState: Equatable, Sendable {
    case on
    /// The board switched itself off, or its power was cut.
    case off
    /// The lab's own equipment failed (an emulator that ended by itself with an error, a dead power controller): it
    /// says nothing about the firmware under test.
    case broken(String)
}

/// Switches one board on and off. Implement it for a power controller of your own (BMC, relay, switched socket).
public protocol PowerDriver: AnyObject {
    /// Applies power. The board then boots from its stick.
    func powerOn() throws(LabError)
    /// Takes power away at once, as if the plug were pulled. Does nothing when the board is already off.
    func cutPower()
    /// The present state; called many times a second, so it must not block.
    func powerState() -> PowerState
}

/// What one read of a console gave.
public enum ConsoleInput: Equatable, Sendable {
    case bytes([UInt8])
    /// Nothing at the moment.
    case nothing
    /// The console is gone for good.
    case closed
}

/// One serial console of a board as a stream of bytes behind a file descriptor: a serial port, a pseudo-terminal of a
/// serial-over-LAN client, an emulator's socket.
public protocol ConsoleDriver: AnyObject {
    /// Given to poll(2) to wait for input. It stays valid as long as the driver lives.
    var pollDescriptor: Int32 { get }
    /// Takes what has arrived. Never blocks.
    func receive() -> ConsoleInput
    /// Sends keystrokes to the board and returns how many bytes were taken. Never blocks.
    func send(_ bytes: [UInt8]) -> Int
}

/// Gives a board the stick it boots from.
public protocol MediaDriver: AnyObject {
    /// Makes the board's stick: the image plus what belongs to this stick alone. Called before ``PowerDriver/powerOn()``.
    func prepareStick(image: String, personalisation: StickPersonalisation) throws(LabError)
    /// Erases what ``prepareStick(image:personalisation:)`` left on the lab's side (it holds the cluster key). The running
    /// board keeps its stick.
    func forgetStick()
}

/// Disconnects one board from the interconnect, leaving it running.
public protocol LinkDriver: AnyObject {
    func cutLink() throws(LabError)
}

/// One board under test: how to reach its power, its two serial ports, its stick and its link.
public struct BoardUnderTest {
    public var power: any PowerDriver
    /// The serial port of the firmware's own words.
    public var firmwareConsole: any ConsoleDriver
    /// The serial port of the guest's console. Only node 0's is used.
    public var guestConsole: (any ConsoleDriver)?
    public var media: any MediaDriver
    public var link: (any LinkDriver)?

    public init(
        power: any PowerDriver, firmwareConsole: any ConsoleDriver, guestConsole: (any ConsoleDriver)? = nil,
        media: any MediaDriver, link: (any LinkDriver)? = nil
    ) {
        self.power = power
        self.firmwareConsole = firmwareConsole
        self.guestConsole = guestConsole
        self.media = media
        self.link = link
    }
}
