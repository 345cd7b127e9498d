import BoardSupport
import Testing

@Suite struct HardwareTests {
    /// A computer of two sockets with two cores of two threads each, 2 GiB, one virtio interface and two UARTs.
    private func computer() throws -> ScratchFolder {
        let scratch = ScratchFolder()
        for processor in 0..<8 {
            let folder = "sys/devices/system/cpu/cpu\(processor)/topology/"
            try scratch.write(folder + "physical_package_id", "\(processor / 4)\n")
            try scratch.write(folder + "core_id", "\(processor / 2 % 2)\n")
        }
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
        #expect(inventory.networkInterfaces.map(\.name) == ["eth0"])
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
        board.processors = .init(sockets: 2, coresPerSocket: 4, threadsPerCore: 2, rule: .exact)
        board.memory.minimumMiB = 4096
        board.interconnect.append(.init(name: "ethernet1", driver: "virtio_net", kernelModules: []))
        board.consoles.guest = "ttyS2"
        let found = board.mismatches(with: HardwareInventory(root: scratch.path)).map(\.description)
        #expect(
            found == [
                "processor cores: the board has exactly 8, this computer has 4",
                "processor threads: the board has exactly 16, this computer has 8",
                "memory: the board has at least 4096 MiB, this computer has 2047 MiB",
                "interconnect port ethernet1: the board has an interface with driver virtio_net, this computer has eth0 (virtio_net)",
                "guest console: the board has ttyS2, this computer has ttyS0, ttyS1",
            ])
    }

    @Test func exactRefusesMoreProcessors() throws {
        let scratch = try computer()
        var board = try BoardCatalogue(path: boardsPath).load("qemu-q35").board
        board.processors.rule = .exact
        let subjects = board.mismatches(with: HardwareInventory(root: scratch.path)).map(\.subject)
        #expect(subjects == ["processor sockets", "processor cores", "processor threads"])
    }
}
