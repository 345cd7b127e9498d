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
        #expect(inventory.infinibandDevices.map(\.driver) == ["mlx4_core"])
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

    @Test func portsThatAreNotDrivenAreReportedOnly() throws {
        let scratch = try computer()
        let board = try BoardCatalogue(path: boardsPath).load("opteron-2008-infiniband").board
        #expect(board.drivenPorts.map(\.name) == ["ethernet0"])
        var hardware = HardwareInventory(root: scratch.path)
        func port() -> HardwareComparison? { board.comparisons(with: hardware).first { $0.node == "/interconnect/infiniband0" } }
        #expect(port()?.outcome == .agrees)
        hardware.infinibandDevices = []
        #expect(port()?.outcome == .differs && port()?.rule == .report && port()?.hardware == "no infiniband port")
    }

    @Test func loadedModulesAreSeenOnlyWithTheirDevice() throws {
        let scratch = try computer()
        let board = try BoardCatalogue(path: boardsPath).load("opteron-2008-infiniband").board
        for module in ["kvm", "e1000e", "mlx4_core", "mlx4_ib"] { try scratch.write("sys/module/\(module)/x", "") }
        var hardware = HardwareInventory(root: scratch.path)
        func seen() -> [String] {
            HardwareReport(board: board, comparisons: board.comparisons(with: hardware), hardware: hardware).lines.filter { $0.contains(": loaded: ") }
        }
        #expect(seen().count == 3)
        hardware.infinibandDevices = []
        #expect(
            seen() == [
                "board: seen /virtualization/amd-kernel-modules: loaded: kvm kvm_amd",
                "board: seen /interconnect/ethernet0/kernel-modules: loaded: e1000e",
            ])
    }

    @Test func exactRefusesMoreProcessors() throws {
        let scratch = try computer()
        var board = try BoardCatalogue(path: boardsPath).load("qemu-q35").board
        board.rules = [:]
        let properties = board.mismatches(with: HardwareInventory(root: scratch.path)).map(\.property)
        #expect(properties == ["sockets", "cores-per-socket", "threads-per-core"])
    }
}
