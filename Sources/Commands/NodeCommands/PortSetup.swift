import BoardSupport
internal import Contract
import Glibc
internal import Platform

/// Makes the verbs device of the port that leads to the other nodes ready: a device in software where the board has one, and a port that is
/// ACTIVE. It takes CAP_NET_ADMIN, which a node gives up before it joins.
struct PortSetup {
    var port: Board.InterconnectPort
    /// The network interface that was found for it.
    var interface: HardwareInventory.NetworkInterface
    var files = SystemFiles()
    /// Makes a soft device of that name on that interface.
    var makeSoftDevice: (_ device: String, _ interface: String) throws(SystemError) -> Void = { device, interface throws(SystemError) in
        try SoftRoCE.add(device, on: interface)
    }
    /// Milliseconds of a clock that never goes back.
    var now: () -> UInt64 = { monotonicNow() / 1_000_000 }
    var pause: () -> Void = { usleep(200_000) }
    var log: (String) -> Void

    /// How long it waits for a link and a subnet manager, in milliseconds. The other boards may be switched on later.
    static let patience: UInt64 = 300_000
    /// When a port that is not ready yet is named first, and how often it is named again, in milliseconds.
    static let silence: UInt64 = 2_000, reminder: UInt64 = 30_000
    static let softDevice = "rxe0"

    /// Nil for a port without verbs, and for an Ethernet port that stands in for the board's own in a virtual machine.
    func verbsPort() throws(RunCommand.Failure) -> VerbsPort? {
        guard let driver = port.verbsDriver, interface.driver == port.driver else { return nil }
        if driver == .soft {
            do throws(SystemError) { try makeSoftDevice(Self.softDevice, interface.name) } catch {
                throw RunCommand.Failure(
                    status: .hardwareMismatch, text: "no soft RoCE on \(interface.name): \(error); are the modules rdma_rxe and crc32_generic loaded?")
            }
        }
        let begun = now()
        var said: (state: VerbsPort.State?, at: UInt64)?
        while true {
            let found = VerbsPort.all(files).first { $0.interface == interface.name }
            if let found, found.state == .active {
                log("interconnect: \(found)")
                return found
            }
            let waited = now() - begun
            guard waited < Self.patience else {
                throw RunCommand.Failure(
                    status: .timeout, text: "\(words(found)); nothing changed that in \(Self.patience / 1000) s, and this node cannot join without it")
            }
            let isNew = said.map { $0.state != found?.state } ?? (waited >= Self.silence)
            if isNew || said.map({ now() - $0.at >= Self.reminder }) ?? false {
                log("interconnect: waiting: \(words(found))")
                said = (found?.state, now())
            }
            pause()
        }
    }

    private func words(_ found: VerbsPort?) -> String {
        guard let found else { return "\(interface.name) has no verbs device; does \(port.verbsDriver?.rawValue ?? "") support this adapter?" }
        let why =
            switch found.state {
            case .down: found.isInfiniBand ? "no link: is the cable in, and the other end switched on?" : "\(interface.name) has no link: is the cable in?"
            case .initialize: "there is a link, and no subnet manager has set it up: does a switch, a host or a board of this kit run one?"
            case .armed: "the subnet manager is setting it up"
            case .deferred: "the link was lost a moment ago"
            case .active, .unknown: "the kernel says no more"
            }
        return "port \(found.device)/\(found.number) of \(interface.name) is \(found.state.rawValue): \(why)"
    }
}
