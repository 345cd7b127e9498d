import BoardSupport
import Contract
import Platform
import TestSupport
import Testing

@testable import NodeCommands

struct PortSetupTests {
    /// A computer whose port changes its state at given times, in seconds of a clock that a pause moves on.
    private final class Computer {
        let scratch = ScratchFolder()
        var milliseconds: UInt64 = 0
        var said: [String] = []
        var made: [String] = []
        var script: [(at: UInt64, state: String?)]
        let device: String

        init(_ script: [(at: UInt64, state: String?)], device: String = "mlx4_0") {
            self.script = script
            self.device = device
        }

        func write(_ state: String) throws {
            let port = "sys/class/infiniband/\(device)/ports/1"
            try scratch.write(port + "/state", state + "\n")
            try scratch.write(port + "/link_layer", device == "rxe0" ? "Ethernet\n" : "InfiniBand\n")
            try scratch.write(port + "/rate", "40 Gb/sec (4X QDR)\n")
            try scratch.write(port + "/gid_attrs/ndevs/0", "eth0\n")
            guard device != "rxe0", !SystemFiles(root: scratch.path).exists("/sys/class/net/ib0/type") else { return }
            for folder in ["sys/class/infiniband/\(device)", "sys/class/net/ib0"] {
                try scratch.link(folder + "/device", to: "../../../devices/pci0000:00/0000:00:03.0")
            }
            try scratch.link("sys/devices/pci0000:00/0000:00:03.0/driver", to: "../../../bus/pci/drivers/mlx4_core")
            try scratch.write("sys/class/net/ib0/type", "32\n")
        }

        func step() {
            while let first = script.first, milliseconds >= first.at * 1000 {
                if let state = first.state { try? write(state) }
                script.removeFirst()
            }
        }

        func setup(_ port: Board.InterconnectPort, interface: HardwareInventory.NetworkInterface) -> PortSetup {
            step()
            return PortSetup(
                port: port, interface: interface, files: SystemFiles(root: scratch.path),
                makeSoftDevice: { device, interface throws(SystemError) in
                    self.made.append("\(device) on \(interface)")
                    if interface == "eth9" { throw SystemError("RDMA_NLDEV_CMD_NEWLINK", on: "\(device) on \(interface)", code: 22) }
                },
                now: { self.milliseconds },
                pause: {
                    self.milliseconds += 200
                    self.step()
                }, log: { self.said.append($0) })
        }
    }

    private let infiniband = Board.InterconnectPort(
        name: "infiniband0", technology: .infiniband, verbsDriver: .mlx4, driver: "mlx4_core", kernelModules: [])
    private let soft = Board.InterconnectPort(name: "ethernet0", technology: .roce, verbsDriver: .soft, driver: "virtio_net", labDriver: "e1000", kernelModules: [])
    private func interface(_ name: String, _ driver: String) -> HardwareInventory.NetworkInterface {
        .init(name: name, driver: driver, address: nil, isInfiniBand: name.hasPrefix("ib"))
    }

    @Test func aPortThatIsActiveIsTakenAtOnce() throws {
        let computer = Computer([(0, "4: ACTIVE")])
        let found = try computer.setup(infiniband, interface: interface("ib0", "mlx4_core")).verbsPort()
        #expect(found?.device == "mlx4_0" && found?.number == 1 && found?.interface == "ib0" && computer.milliseconds == 0)
        #expect(computer.said == ["interconnect: verbs device mlx4_0, port 1 of ib0, InfiniBand, 40000 Mbit/s"])
    }

    /// From no link to ACTIVE: each state is said once with what to look for, and again after half a minute.
    @Test func whileItWaitsItSaysWhy() throws {
        let computer = Computer([(0, "1: DOWN"), (40, "2: INIT"), (42, "3: ARMED"), (43, "4: ACTIVE")])
        _ = try computer.setup(infiniband, interface: interface("ib0", "mlx4_core")).verbsPort()
        #expect(
            computer.said == [
                "interconnect: waiting: port mlx4_0/1 of ib0 is DOWN: no link: is the cable in, and the other end switched on?",
                "interconnect: waiting: port mlx4_0/1 of ib0 is DOWN: no link: is the cable in, and the other end switched on?",
                "interconnect: waiting: port mlx4_0/1 of ib0 is INIT: there is a link, and no subnet manager has set it up: does a switch, a host or a "
                    + "board of this kit run one?",
                "interconnect: waiting: port mlx4_0/1 of ib0 is ARMED: the subnet manager is setting it up",
                "interconnect: verbs device mlx4_0, port 1 of ib0, InfiniBand, 40000 Mbit/s",
            ])
    }

    @Test(arguments: [("1: DOWN", "no link: is the cable in"), ("2: INIT", "no subnet manager has set it up"), (nil, "ib0 has no verbs device; does mlx4_ib support")])
    func aPortThatIsNeverReadyEndsTheNode(state: String?, words: String) throws {
        let computer = Computer([(0, state)])
        let failure = #expect(throws: RunCommand.Failure.self) { try computer.setup(infiniband, interface: interface("ib0", "mlx4_core")).verbsPort() }
        #expect(failure?.status == .timeout && failure?.text.contains(words) == true && failure?.text.contains("in 300 s") == true)
        #expect(computer.said.count == 10 && computer.milliseconds == 300_000)
    }

    @Test func aSoftDeviceIsMadeOnItsPort() throws {
        let computer = Computer([(0, "4: ACTIVE")], device: "rxe0")
        let found = try computer.setup(soft, interface: interface("eth0", "virtio_net")).verbsPort()
        #expect(computer.made == ["rxe0 on eth0"] && found?.device == "rxe0" && found?.isInfiniBand == false)
        #expect(computer.said == ["interconnect: verbs device rxe0, port 1 of eth0, Ethernet (RoCE)"])
        let failure = #expect(throws: RunCommand.Failure.self) { try computer.setup(soft, interface: interface("eth9", "virtio_net")).verbsPort() }
        #expect(failure?.status == .hardwareMismatch && failure?.text.contains("are the modules rdma_rxe and crc32_generic loaded?") == true)
    }

    /// A stand-in of the lab, and a port without verbs, need nothing.
    @Test func otherPortsNeedNoDevice() throws {
        let computer = Computer([])
        #expect(try computer.setup(soft, interface: interface("eth0", "e1000")).verbsPort() == nil)
        let plain = Board.InterconnectPort(name: "e", driver: "e1000", kernelModules: [])
        #expect(try computer.setup(plain, interface: interface("eth0", "e1000")).verbsPort() == nil)
        #expect(computer.made.isEmpty && computer.said.isEmpty)
    }
}
