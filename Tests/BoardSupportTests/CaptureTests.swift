import Bytes
import Contract
import Foundation
import TestSupport
import Testing

@testable import BoardSupport

@Suite struct CaptureTests {
    /// A two-socket computer: 2 x 2 x 2, two NUMA nodes, an 82574L and a virtio port, an InfiniBand port, an xHCI controller, two UARTs.
    static func computer() throws -> ScratchFolder {
        let scratch = ScratchFolder()
        try scratch.writeTwoSockets()
        try scratch.write("proc/iomem", "00001000-0009ffff : System RAM\n00100000-ffffffff : System RAM\n")
        for node in 0...1 {
            try scratch.write("sys/devices/system/node/node\(node)/meminfo", "Node \(node) MemTotal:        2000000 kB\n")
        }
        for (name, text) in [("sys_vendor", "Acme \"Best\" */ Boards\\"), ("product_name", "Twin 9"), ("board_vendor", "Acme"), ("board_name", "T9-B")] {
            try scratch.write("sys/class/dmi/id/\(name)", text + "\n")
        }
        let pci = "sys/devices/pci0000:00"
        for (slot, vendor, device, kind, driver, module) in [
            ("0000:00:02.0", "0x8086", "0x10d3", "0x020000", "e1000e", "e1000e"),
            ("0000:00:03.0", "0x15b3", "0x673c", "0x0c0600", "mlx4_core", "mlx4_core"),
            ("0000:00:04.0", "0x1b36", "0x000d", "0x0c0330", "xhci_hcd", "xhci_pci"),
        ] {
            try scratch.write("\(pci)/\(slot)/vendor", vendor + "\n")
            try scratch.write("\(pci)/\(slot)/device", device + "\n")
            try scratch.write("\(pci)/\(slot)/class", kind + "\n")
            try scratch.link("\(pci)/\(slot)/subsystem", to: "../../../bus/pci")
            try scratch.link("\(pci)/\(slot)/driver", to: "../../../bus/pci/drivers/\(driver)")
            try scratch.link("sys/bus/pci/drivers/\(driver)/module", to: "../../../../module/\(module)")
            try scratch.link("sys/bus/pci/devices/\(slot)", to: "../../../devices/pci0000:00/\(slot)")
        }
        try scratch.link("sys/class/net/eth0/device", to: "../../../devices/pci0000:00/0000:00:02.0")
        try scratch.write("sys/class/net/eth0/address", "00:00:00:00:00:01\n")
        try scratch.write("sys/class/net/lo/address", "00:00:00:00:00:00\n")
        try scratch.write("sys/class/net/tun0/address", "00:00:00:00:00:00\n")
        try scratch.link("sys/class/infiniband/mlx4_0/device", to: "../../../devices/pci0000:00/0000:00:03.0")
        for (name, text) in [("link_layer", "InfiniBand"), ("rate", "40 Gb/sec (4X QDR)"), ("state", "2: INIT")] {
            try scratch.write("sys/class/infiniband/mlx4_0/ports/1/\(name)", text + "\n")
        }
        for port in 0...1 { try scratch.write("sys/class/tty/ttyS\(port)/type", "4\n") }
        var table = [UInt8](repeating: 0, count: 80)
        table.replaceSubrange(0..<4, with: Array("SPCR".utf8))
        table[40] = 1
        table.replaceSubrange(44..<46, with: [0xF8, 0x02])
        table[58] = 6
        try scratch.write("sys/firmware/acpi/tables/SPCR", "")
        try Data(table).write(to: URL(fileURLWithPath: scratch.path + "/sys/firmware/acpi/tables/SPCR"))
        return scratch
    }

    private func capture(_ computer: ScratchFolder) throws -> String {
        var capture = BoardCapture(root: computer.path)
        return try capture.source(vendor: "acme", name: "t9", evidence: "rack 7")
    }

    @Test func aCaptureLintsCleanAndMatchesItsComputer() throws {
        let computer = try Self.computer()
        let boards = try ScratchBoards(["t9/t9.dts": try capture(computer)])
        let compiled = try boards.load("t9")
        let board = compiled.board
        #expect(compiled.warnings.map(\.rule) == ["not-driven"])
        #expect(board.status == .captured && board.evidence == ["rack 7"])
        #expect(board.processors == .init(sockets: 2, coresPerSocket: 2, threadsPerCore: 2))
        #expect(board.memory == .init(minimumMiB: 3584, firmwareReserveMiB: 192, nodesMiB: [1709, 1709]))
        #expect(board.identity.systemManufacturer == "Acme \"Best\" */ Boards\\" && board.identity.boardProduct == "T9-B")
        #expect(
            board.interconnect == [
                .init(
                    name: "infiniband0", technology: .infiniband, verbsDriver: .mlx4, driver: "mlx4_core", pciID: "15b3:673c",
                    kernelModules: ["mlx4_core", "mlx4_ib", "ib_ipoib"], rateMbps: 40_000)
            ])
        #expect(board.stick.kernelModules.first == "xhci_pci")
        #expect(board.consoles == .init(firmware: "ttyS1", guest: "ttyS0", baudRate: 57600))
        let comparisons = board.comparisons(with: HardwareInventory(root: computer.path))
        #expect(comparisons.allSatisfy { $0.outcome == .agrees } && comparisons.count == 14, "\(comparisons)")
    }

    @Test func everyValueHasItsOriginBesideIt() throws {
        let text = try capture(try Self.computer())
        let lines = text.split(separator: "\n").filter { $0.contains(" = ") }
        #expect(lines.allSatisfy { $0.hasSuffix(" */") && $0.contains("; /* ") })
        for (value, origin) in [
            ("system-product = \"Twin 9\"", "SMBIOS type 1, product name"), ("sockets = <2>", "ACPI MADT and CPUID, by /sys/devices/system/cpu"),
            ("pci-id = \"15b3:673c\"", "PCI id of mlx4_0/1 at 0000:00:03.0"), ("driver = \"mlx4_core\"", "driver of mlx4_0/1 at 0000:00:03.0"),
            ("technology = \"infiniband\"", "link layer of mlx4_0/1"), ("rate-mbps = <40000>", "rate of mlx4_0/1 at 0000:00:03.0"),
            ("verbs-driver = \"mlx4_ib\"", "Linux's module for mlx4_core"),
            ("firmware-console = \"ttyS1\"", "ACPI SPCR"), ("node-mib = <1709 1709>", "ACPI SRAT: MemTotal of 1953, 1953 MiB, less an eighth"),
        ] {
            #expect(text.contains("\(value); /* \(origin) */"), "no \(value) with \(origin) in\n\(text)")
        }
    }

    /// The ports of a board speak the same: a capture takes the best and names the others.
    @Test func portsOfOtherTechnologiesAreNamed() throws {
        let computer = try Self.computer()
        let leftOut = "/* left out, because the ports of a board speak the same: ethernet port eth0, driver e1000e, 8086:10d3 */"
        #expect(try capture(computer).contains(leftOut))
        // The adapter's wire is Ethernet: RoCE, on the interface of its first GID.
        for (name, text) in [("link_layer", "Ethernet"), ("gid_attrs/ndevs/0", "eth1")] {
            try computer.write("sys/class/infiniband/mlx4_0/ports/1/\(name)", text + "\n")
        }
        try computer.link("sys/class/net/eth1/device", to: "../../../devices/pci0000:00/0000:00:03.0")
        let roce = try ScratchBoards(["t9/t9.dts": try capture(computer)]).load("t9").board.interconnect
        #expect(roce == [.init(name: "ethernet0", technology: .roce, verbsDriver: .mlx4, driver: "mlx4_core", pciID: "15b3:673c", kernelModules: ["mlx4_core", "mlx4_ib"])])
        // A soft device on the Gigabit port, and no adapter.
        try FileManager.default.removeItem(atPath: computer.path + "/sys/class/infiniband/mlx4_0")
        for (name, text) in [("ports/1/link_layer", "Ethernet"), ("parent", "eth0")] { try computer.write("sys/class/infiniband/rxe0/\(name)", text + "\n") }
        try FileManager.default.removeItem(atPath: computer.path + "/sys/class/net/eth1")
        let soft = try ScratchBoards(["t9/t9.dts": try capture(computer)]).load("t9").board.interconnect
        #expect(soft == [.init(name: "ethernet0", technology: .roce, verbsDriver: .soft, driver: "e1000e", pciID: "8086:10d3", kernelModules: ["e1000e", "rdma_rxe", "crc32_generic"])])
        // No verbs at all.
        try FileManager.default.removeItem(atPath: computer.path + "/sys/class/infiniband")
        let plain = try ScratchBoards(["t9/t9.dts": try capture(computer)]).load("t9")
        #expect(plain.warnings.isEmpty && plain.board.interconnect == [.init(name: "ethernet0", driver: "e1000e", pciID: "8086:10d3", kernelModules: ["e1000e"])])
    }

    @Test(arguments: [
        ("sys/devices/system/cpu", "no processor"), ("proc/iomem", "0 MiB of System RAM"), ("sys/class", "no Ethernet port"), ("sys/class/tty", "no serial port"),
    ])
    func whatCannotBeCapturedIsNamed(absent: String, what: String) throws {
        let computer = try Self.computer()
        try FileManager.default.removeItem(atPath: computer.path + "/" + absent)
        var capture = BoardCapture(root: computer.path)
        let problem = #expect(throws: BoardCapture.Problem.self) { try capture.source(vendor: "a", name: "b", evidence: "c") }
        #expect(problem?.description.hasPrefix("cannot capture this computer: \(what)") == true)
    }

    @Test(arguments: [
        ("ACME", "B1", "rack 7", "found \"ACME,B1\", expected \"acme,b1\""), ("acme", "b 1", "x", "expected vendor,board in lower case"),
        ("acme", "b@1", "x", "expected vendor,board in lower case"), ("\u{e4}", "b1", "x", "expected vendor,board in lower case"),
        ("acme", "b1", "", "no printable ASCII in --evidence"), ("acme", "b1", " \n", "no printable ASCII in --evidence"),
        ("acme", "b1", "\u{d0}\u{e9}\u{4e2d}", "no printable ASCII in --evidence"),
    ])
    func whatDoesNotLintIsNotWritten(vendor: String, name: String, evidence: String, message: String) throws {
        var capture = BoardCapture(root: try Self.computer().path)
        let problem = #expect(throws: BoardCapture.Problem.self) { try capture.source(vendor: vendor, name: name, evidence: evidence) }
        #expect(problem?.exitStatus == .usage && problem?.description.contains(message) == true, "\(String(describing: problem))")
    }

    /// Processors of two kinds of core, or with some threads switched off: eight threads on cores that do not divide them, or cores on sockets.
    @Test(arguments: [
        ([0, 0, 1, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0, 0, 0], ["threads-per-core"]),
        ([0, 1, 2, 3, 4, 0, 1, 2], [0, 0, 0, 0, 0, 1, 1, 1], []),
        ([0, 1, 2, 3, 0, 1, 2, 2], [0, 0, 0, 0, 1, 1, 1, 1], ["cores-per-socket", "threads-per-core"]),
    ])
    func unevenProcessorsAreReportedOnly(cores: [Int], sockets: [Int], reported: [String]) throws {
        let computer = try Self.computer()
        for processor in 0..<8 {
            let folder = "sys/devices/system/cpu/cpu\(processor)/topology/"
            try computer.write(folder + "physical_package_id", "\(sockets[processor])\n")
            try computer.write(folder + "core_id", "\(cores[processor])\n")
        }
        let text = try capture(computer)
        let board = try ScratchBoards(["t9/t9.dts": text]).load("t9").board
        let hardware = HardwareInventory(root: computer.path)
        #expect(board.mismatches(with: hardware).isEmpty)
        let lines = text.split(separator: "\n").filter { $0.contains("-match = \"report\"; /* ") && $0.contains(" leave a remainder */") }
        #expect(lines.map { String($0.trimmed.prefix { $0 != " " }) } == reported.map { $0 + "-match" }, "\(text)")
    }

    @Test func withoutTheTableTheFirstPortIsTheConsole() throws {
        let computer = try Self.computer()
        for table in [[], [UInt8]("SPCR".utf8), [UInt8](repeating: 0xFF, count: 100)] {
            try Data(table).write(to: URL(fileURLWithPath: computer.path + "/sys/firmware/acpi/tables/SPCR"))
            #expect(try capture(computer).contains("firmware-console = \"ttyS0\"; /* first UART in /sys/class/tty */"))
        }
    }

    @Test func whatAComputerSaysOfItselfCannotBreakTheSource() throws {
        let computer = try Self.computer()
        for (name, text) in [("sys_vendor", "*/ }; /dts-v1/; \"\\\u{1}\u{ff}"), ("product_name", "\u{7}"), ("board_name", "/include/ \"x\"")] {
            try computer.write("sys/class/dmi/id/\(name)", text + "\n")
        }
        let boards = try ScratchBoards(["t9/t9.dts": try capture(computer)])
        #expect(try boards.load("t9").board.identity.systemManufacturer == "*/ }; /dts-v1/; \"\\")
    }
}
