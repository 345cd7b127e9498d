import BoardSupport
import Foundation
import TestSupport
import Testing

@Suite struct HardwareTests {
    /// A computer of two sockets with two cores of two threads each, 2 GiB, one virtio interface and two UARTs.
    private func computer() throws -> ScratchFolder {
        let scratch = ScratchFolder()
        try scratch.writeTwoSockets()
        try scratch.write("sys/devices/system/cpu/cpufreq/note", "no processor\n")
        try scratch.write(
            "proc/iomem",
            """
            00001000-0009ffff : System RAM
              00001000-00001fff : System RAM
            000a0000-000bffff : PCI Bus 0000:00
            00100000-7fffffff : System RAM

            """)
        try scratch.write("proc/meminfo", "MemTotal:        1024000 kB\n")
        try scratch.write("sys/class/net/lo/address", "00:00:00:00:00:00\n")
        try scratch.write("sys/class/net/eth0/address", "52:54:00:00:00:01\n")
        try scratch.write("sys/class/dmi/id/sys_vendor", "Acme\n")
        try scratch.write("sys/class/dmi/id/product_name", "Twin 9\n")
        for (node, kibibytes) in [(0, 1_000_000), (1, 900_000), (10, 0)] {
            try scratch.write(
                "sys/devices/system/node/node\(node)/meminfo",
                "Node \(node) MemTotal:        \(kibibytes) kB\nNode \(node) MemFree:  1 kB\n")
        }
        try scratch.write("sys/class/net/eth1/device/vendor", "0x8086\n")
        try scratch.write("sys/class/net/eth1/device/device", "0x10d3\n")
        try scratch.link("sys/class/net/eth1/device/subsystem", to: "../../../bus/pci")
        try scratch.link("sys/class/net/eth1/device/driver", to: "../../../bus/pci/drivers/e1000e")
        try scratch.link("sys/class/infiniband/mlx4_0/device/driver", to: "../../../bus/pci/drivers/mlx4_core")
        try scratch.link("sys/class/infiniband/mlx4_0/device/subsystem", to: "../../../bus/pci")
        try scratch.write("sys/class/infiniband/mlx4_0/device/vendor", "0x15b3\n")
        try scratch.write("sys/class/infiniband/mlx4_0/device/device", "0x673c\n")
        for (port, layer, rate, state) in [(1, "InfiniBand", "40 Gb/sec (4X QDR)", "4: ACTIVE"), (2, "Ethernet", "10 Gb/sec (1X QDR)", "1: DOWN")] {
            let folder = "sys/class/infiniband/mlx4_0/ports/\(port)"
            try scratch.write(folder + "/link_layer", layer + "\n")
            try scratch.write(folder + "/rate", rate + "\n")
            try scratch.write(folder + "/state", state + "\n")
        }
        try scratch.write("sys/module/kvm_amd/parameters/npt", "N\n")
        try scratch.link("sys/class/net/eth0/device/driver", to: "../../../bus/virtio/drivers/virtio_net")
        try scratch.write("sys/class/tty/ttyS0/type", "4\n")
        try scratch.write("sys/class/tty/ttyS1/type", "4\n")
        try scratch.write("sys/class/tty/ttyS2/type", "0\n")
        return scratch
    }

    @Test func inventoryIsReadFromTheKernel() throws {
        let scratch = try computer()
        let inventory = HardwareInventory(root: scratch.path)
        #expect(inventory.sockets == 2)
        #expect(inventory.cores == 4)
        #expect(inventory.threads == 8)
        #expect(inventory.memoryMiB == 2047)
        #expect(inventory.networkInterfaces.map(\.name) == ["eth0", "eth1"])
        #expect(inventory.networkInterfaces.map(\.pciID) == [nil, "8086:10d3"])
        #expect(inventory.verbsPorts.map(\.driver) == ["mlx4_core", "mlx4_core"] && inventory.verbsPorts.map(\.isInfiniBand) == [true, false])
        #expect(inventory.verbsPorts.map(\.rateMbps) == [40_000, 10_000] && inventory.verbsPorts.map(\.state) == [.active, .down])
        #expect(inventory.infinibandPorts.map(\.name) == ["mlx4_0/1"])
        #expect(inventory.memoryNodesMiB == [976, 878])
        #expect(inventory.identity == .init(systemManufacturer: "Acme", systemProduct: "Twin 9"))
        #expect(inventory.modules == ["kvm_amd"] && !inventory.isVirtual)
        #expect(inventory.interfaces(driver: "virtio_net").count == 1)
        #expect(inventory.serialPorts == ["ttyS0", "ttyS1"])
    }

    @Test func hiddenMemoryMapFallsBackToMemTotal() throws {
        let scratch = try computer()
        try scratch.write("proc/iomem", "00000000-00000000 : System RAM\n")
        #expect(HardwareInventory(root: scratch.path).memoryMiB == 1000)
    }

    @Test func theRunningComputerHasProcessorsAndMemory() {
        let inventory = HardwareInventory()
        #expect(inventory.threads >= inventory.cores)
        #expect(inventory.cores >= inventory.sockets)
        #expect(inventory.sockets >= 1)
        #expect(inventory.memoryMiB > 0)
    }

    @Test func matchingHardwareHasNoMismatch() throws {
        let scratch = try computer()
        let board = try BoardCatalogue(path: boardsPath).load("qemu-q35").board
        #expect(board.mismatches(with: HardwareInventory(root: scratch.path)).isEmpty)
    }

    @Test func mismatchesNameBothSides() throws {
        let scratch = try computer()
        var board = try BoardCatalogue(path: boardsPath).load("qemu-q35").board
        board.rules = [:]
        board.processors = .init(sockets: 2, coresPerSocket: 4, threadsPerCore: 2)
        board.memory.minimumMiB = 4096
        board.memory.nodesMiB = [976, 900]
        board.interconnect.append(.init(name: "ethernet1", driver: "virtio_net", kernelModules: []))
        board.interconnect.append(.init(name: "ethernet2", driver: "e1000e", pciID: "8086:1533", kernelModules: []))
        board.consoles.guest = "ttyS2"
        let found = board.mismatches(with: HardwareInventory(root: scratch.path)).map(\.description)
        let ports = "this computer has eth0 (virtio_net), eth1 (e1000e, 8086:10d3)"
        #expect(
            found == [
                "/processors/cores-per-socket: the board has exactly 4, this computer has 2",
                "/memory/minimum-mib: the board has at least 4096 MiB, this computer has 2047 MiB",
                "/memory/node-mib: the board has at least 2 NUMA node(s) of 976, 900 MiB, this computer has 2 NUMA node(s) of 976, 878 MiB",
                "/interconnect/ethernet1/driver: the board has an interface with driver virtio_net, \(ports)",
                "/interconnect/ethernet2/pci-id: the board has an interface with PCI id 8086:1533, \(ports)",
                "/consoles/guest-console: the board has ttyS2, this computer has ttyS0, ttyS1",
            ])
    }

    /// Each rule against less, equal and more.
    @Test(arguments: [
        (Board.MatchRule.exact, [true, false, true]), (.atLeast, [true, false, false]), (.report, [false, false, false]),
    ])
    func eachRuleRefusesWhatItSays(rule: Board.MatchRule, refused: [Bool]) throws {
        let scratch = try computer()
        let hardware = HardwareInventory(root: scratch.path)
        for (value, refused) in zip([3, 2, 1], refused) {
            let board = try compileChanged {
                $0 = $0.replacingOccurrences(of: "sockets = <1>;", with: "sockets = <\(value)>;\n\t\tsockets-match = \"\(rule.rawValue)\";")
                    .replacingOccurrences(of: "processors = <1>;", with: "processors = <3>;")
            }.get().board
            let comparison = try #require(board.comparisons(with: hardware).first { $0.property == "sockets" })
            #expect(comparison.rule == rule && comparison.isRefused == refused)
            #expect(comparison.board.hasSuffix("\(value)") && comparison.hardware == "2")
            let said = HardwareReport(board: board, comparisons: [comparison], hardware: hardware).lines
            switch (comparison.outcome, rule) {
            case (.differs, .report): #expect(said == ["board: warning: /processors/sockets: the board has \(value), this computer has 2"])
            case (.differs, _): #expect(said.isEmpty, "the refusal itself says it")
            default: #expect(said.count == 1 && said[0].hasPrefix("board: seen /processors/sockets: "))
            }
        }
    }

    @Test func coresThatDoNotDivideAreNoExactMatch() throws {
        let scratch = try computer()
        var hardware = HardwareInventory(root: scratch.path)
        var board = try BoardCatalogue(path: boardsPath).load("qemu-q35").board
        board.processors = .init(sockets: 2, coresPerSocket: 2, threadsPerCore: 1)
        hardware.cores = 5
        board.rules = ["/processors/threads-per-core": .report]
        #expect(
            board.mismatches(with: hardware).map(\.description)
                == ["/processors/cores-per-socket: the board has exactly 2, this computer has 5 in 2 socket(s)"])
    }

    @Test func smbiosStringsAreReported() throws {
        let scratch = try computer()
        var board = try BoardCatalogue(path: boardsPath).load("qemu-q35").board
        board.identity = .init(systemManufacturer: "Acme", systemProduct: "Twin 8", boardProduct: "X")
        let hardware = HardwareInventory(root: scratch.path)
        let said = board.comparisons(with: hardware).filter { $0.node == "/identity" }
        #expect(said.map(\.outcome) == [.agrees, .differs, .differs] && said.allSatisfy { !$0.isRefused })
        #expect(said.map(\.hardware) == ["\"Acme\"", "\"Twin 9\"", "no such string"])
        board.rules["/identity/system-product"] = .exact
        #expect(board.mismatches(with: hardware).map(\.property) == ["system-product"])
    }

    /// The lab's driver counts in a virtual machine only, and never as the port itself.
    @Test func standInsAreTakenInVirtualMachinesOnly() throws {
        let scratch = try computer()
        let board = try BoardCatalogue(path: boardsPath).load("epyc-2024-ethernet").board
        let port = try #require(board.interconnect.first)
        #expect(port.labDriver == "virtio_net" && port.kernelModules == ["mlx5_core", "virtio_pci", "virtio_net"])
        for isVirtual in [false, true] {
            if isVirtual { try scratch.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor svm\n") }
            let hardware = HardwareInventory(root: scratch.path)
            let comparison = try #require(board.comparisons(with: hardware).first { $0.property == "driver" })
            #expect(comparison.isRefused != isVirtual && comparison.outcome == (isVirtual ? .standIn : .differs))
            #expect(hardware.interfaces(for: port).map(\.name) == (isVirtual ? ["eth0"] : []))
            let said = HardwareReport(board: board, comparisons: [comparison], hardware: hardware).lines
            #expect(said.allSatisfy { $0.hasSuffix("which stands in for it in a virtual machine only") } && said.count == (isVirtual ? 1 : 0))
        }
    }

    /// An InfiniBand port is compared with InfiniBand ports alone, its rate with its rule.
    @Test func infinibandPortsAreComparedByWhatTheirWireIs() throws {
        let scratch = try computer()
        var board = try BoardCatalogue(path: boardsPath).load("opteron-2008-infiniband").board
        var hardware = HardwareInventory(root: scratch.path)
        func port(_ property: String) -> HardwareComparison? {
            board.comparisons(with: hardware).first { $0.node == "/interconnect/infiniband0" && $0.property == property }
        }
        #expect(["driver", "pci-id", "rate-mbps"].allSatisfy { port($0)?.outcome == .agrees })
        #expect(port("rate-mbps")?.rule == .report && port("rate-mbps")?.board == "an interface with rate in Mbit/s 40000")
        hardware.verbsPorts[0].rateMbps = 56_000
        #expect(port("rate-mbps")?.outcome == .differs && port("rate-mbps")?.hardware == "mlx4_0/1 (mlx4_core, 15b3:673c, 56000 Mbit/s)")
        board.rules["/interconnect/infiniband0/rate-mbps"] = .atLeast
        #expect(port("rate-mbps")?.outcome == .agrees && port("rate-mbps")?.board == "an interface with at least rate in Mbit/s 40000")
        hardware.verbsPorts[0].isInfiniBand = false
        #expect(port("driver")?.isRefused == true && port("driver")?.hardware == "no infiniband port")
    }

    /// Each verbs port knows the network interface on its wire.
    @Test func verbsPortsAreFoundByTheirInterface() throws {
        let scratch = try computer()
        try scratch.link("sys/class/infiniband/mlx5_0/device", to: "../../../devices/pci0000:00/0000:00:05.0")
        for port in 1...2 { try scratch.write("sys/class/infiniband/mlx5_0/ports/\(port)/link_layer", "InfiniBand\n") }
        for (name, port) in [("ib0", 0), ("ib1", 1)] {
            try scratch.link("sys/class/net/\(name)/device", to: "../../../devices/pci0000:00/0000:00:05.0")
            try scratch.write("sys/class/net/\(name)/type", "32\n")
            try scratch.write("sys/class/net/\(name)/dev_port", "\(port)\n")
        }
        try scratch.write("sys/class/infiniband/rxe0/ports/1/link_layer", "Ethernet\n")
        try scratch.write("sys/class/infiniband/rxe0/ports/1/gid_attrs/ndevs/1", "eth0\n")
        let hardware = HardwareInventory(root: scratch.path)
        #expect(hardware.verbsPorts.map { "\($0.device)/\($0.number) \($0.interface ?? "-")" } == ["mlx4_0/1 -", "mlx4_0/2 -", "mlx5_0/1 ib0", "mlx5_0/2 ib1", "rxe0/1 eth0"])
        #expect(hardware.networkInterfaces.filter(\.isInfiniBand).map(\.name) == ["ib0", "ib1"])
    }

    /// The interface that leads to a port's wire is of the port's kind, also where one driver serves both.
    @Test func aPortsInterfaceIsOfItsKind() throws {
        var hardware = HardwareInventory(root: try computer().path)
        hardware.networkInterfaces = [
            .init(name: "eth5", driver: "mlx4_core", address: nil), .init(name: "ib0", driver: "mlx4_core", address: nil, isInfiniBand: true),
        ]
        func names(_ technology: Board.Technology) -> [String] {
            hardware.interfaces(for: .init(name: "p", technology: technology, driver: "mlx4_core", kernelModules: [])).map(\.name)
        }
        #expect(names(.infiniband) == ["ib0"] && names(.roce) == ["eth5"] && names(.ethernet) == ["eth5"])
    }

    @Test func loadedModulesAreSeenOnlyWithTheirDevice() throws {
        let scratch = try computer()
        let board = try BoardCatalogue(path: boardsPath).load("opteron-2008-infiniband").board
        for module in ["kvm", "e1000e", "mlx4_core", "mlx4_ib", "ib_ipoib", "ib_umad"] { try scratch.write("sys/module/\(module)/x", "") }
        var hardware = HardwareInventory(root: scratch.path)
        func seen() -> [String] {
            HardwareReport(board: board, comparisons: board.comparisons(with: hardware), hardware: hardware).lines.filter { $0.contains(": loaded: ") }
        }
        #expect(
            seen() == [
                "board: seen /virtualization/amd-kernel-modules: loaded: kvm kvm_amd",
                "board: seen /interconnect/infiniband0/kernel-modules: loaded: mlx4_core mlx4_ib ib_ipoib ib_umad e1000e",
            ])
        hardware.verbsPorts = []
        #expect(seen() == ["board: seen /virtualization/amd-kernel-modules: loaded: kvm kvm_amd"])
    }

    @Test func exactRefusesMoreProcessors() throws {
        let scratch = try computer()
        var board = try BoardCatalogue(path: boardsPath).load("qemu-q35").board
        board.rules = [:]
        let properties = board.mismatches(with: HardwareInventory(root: scratch.path)).map(\.property)
        #expect(properties == ["sockets", "cores-per-socket", "threads-per-core"])
    }
}
