internal import Platform
/// What a running Linux says about the computer it runs on.
public struct HardwareInventory: Sendable, Equatable, Codable {
    public var sockets: Int
    /// Cores of the whole computer.
    public var cores: Int
    /// Logical processors that are online.
    public var threads: Int
    /// System RAM in MiB (/proc/iomem; MemTotal where that is not readable).
    public var memoryMiB: Int
    public var networkInterfaces: [NetworkInterface]
    public var verbsPorts: [VerbsPort]
    /// Serial ports that have a UART behind them, such as `ttyS0`.
    public var serialPorts: [String]
    /// MiB of each NUMA node that has memory, as the kernel counts them after its own share.
    public var memoryNodesMiB: [Int]
    /// What it answers to properties that nothing but the comparison needs, by their path.
    public var facts: [String: BoardAnswer] = [:]
    /// Whether the processors say that a hypervisor runs them.
    public var isVirtual: Bool
    /// Kernel modules that are loaded, without those that are built in and have no parameters.
    public var modules: [String]

    public struct NetworkInterface: Sendable, Equatable, Codable {
        public var name: String
        /// Driver bound to the device; nil for interfaces without hardware.
        public var driver: String?
        public var address: String?
        /// PCI vendor and device, as in 8086:10d3; nil for what is not on PCI.
        public var pciID: String?
        /// IP over InfiniBand.
        public var isInfiniBand: Bool
        /// Line rate in Mbit/s; nil while the driver does not know it.
        public var rateMbps: Int?

        public init(
            name: String, driver: String?, address: String?, pciID: String? = nil, isInfiniBand: Bool = false, rateMbps: Int? = nil
        ) {
            self.name = name
            self.driver = driver
            self.address = address
            self.pciID = pciID
            self.isInfiniBand = isInfiniBand
            self.rateMbps = rateMbps
        }

        /// ARPHRD_INFINIBAND is 32 (linux/if_arp.h).
        init(_ name: String, _ files: SystemFiles) {
            let folder = "/sys/class/net/\(name)"
            self.init(
                name: name, driver: files.linkName(folder + "/device/driver"), address: files.line(folder + "/address"),
                pciID: deviceID(of: folder + "/device", files), isInfiniBand: files.number(folder + "/type") == 32,
                rateMbps: files.number(folder + "/speed").flatMap { $0 > 0 ? $0 : nil })
        }
    }

    public init(
        sockets: Int, cores: Int, threads: Int, memoryMiB: Int, networkInterfaces: [NetworkInterface],
        verbsPorts: [VerbsPort] = [], serialPorts: [String], memoryNodesMiB: [Int] = [], identity: Board.Identity = .init(),
        isVirtual: Bool = false, modules: [String] = []
    ) {
        self.sockets = sockets
        self.cores = cores
        self.threads = threads
        self.memoryMiB = memoryMiB
        self.networkInterfaces = networkInterfaces
        self.verbsPorts = verbsPorts
        self.serialPorts = serialPorts
        self.memoryNodesMiB = memoryNodesMiB
        self.isVirtual = isVirtual
        self.modules = modules
        self.identity = identity
    }

    /// Reads /proc and /sys below `root` (empty: the running system).
    public init(root: String = "") {
        let files = SystemFiles(root: root)
        let topology = Topology(files)
        self.init(
            sockets: topology.sockets, cores: topology.cores, threads: topology.threads,
            memoryMiB: Self.systemRAM(files) ?? Self.memTotal(files) ?? 0,
            networkInterfaces: files.names(in: "/sys/class/net").filter { $0 != "lo" }.map {
                NetworkInterface($0, files)
            },
            verbsPorts: VerbsPort.all(files),
            serialPorts: files.names(in: "/sys/class/tty").filter {
                // Type 0 is PORT_UNKNOWN: the driver reserved a name, no UART answered (linux/serial_core.h).
                $0.hasPrefix("ttyS") && (files.number("/sys/class/tty/\($0)/type") ?? 0) != 0
            },
            memoryNodesMiB: Self.memoryNodes(files),
            isVirtual: Self.processorFlags(files).contains("hypervisor"), modules: files.names(in: "/sys/module"))
        for (path, _, comparison) in BoardBinding.compared {
            if case .fact(_, let read) = comparison.probe { facts[path] = read(files) }
        }
    }

    /// SMBIOS strings, of ``facts``.
    public var identity: Board.Identity {
        get {
            var board = Board.blank
            for property in BoardBinding.identity.properties {
                if let fact = facts[joined("/identity", property.name)] { property.field?.set(fact, &board, 0) }
            }
            return board.identity
        }
        set {
            var board = Board.blank
            board.identity = newValue
            for property in BoardBinding.identity.properties { facts[joined("/identity", property.name)] = property.field?.value(board, 0) }
        }
    }

    static func processorFlags(_ files: SystemFiles) -> [Substring] {
        guard let text = files.text("/proc/cpuinfo"), let line = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
        else { return [] }
        return line.split(separator: ":").last?.split(separator: " ") ?? []
    }

    /// `Node 0 MemTotal:  1000 kB` in each node's meminfo (Documentation/ABI/stable/sysfs-devices-node), in the nodes' order.
    private static func memoryNodes(_ files: SystemFiles) -> [Int] {
        let folder = "/sys/devices/system/node"
        let numbers = files.names(in: folder).compactMap { $0.hasPrefix("node") ? Int($0.dropFirst(4)) : nil }.sorted()
        return numbers.compactMap { number in
            let lines = files.text("\(folder)/node\(number)/meminfo")?.split(separator: "\n") ?? []
            let words = lines.first { $0.contains(" MemTotal:") }?.split(separator: " ") ?? []
            return words.dropLast().last.flatMap { Int($0) }.map { $0 / 1024 }
        }.filter { $0 > 0 }
    }

    /// Interfaces whose driver is `driver`, in the kernel's naming order.
    public func interfaces(driver: String) -> [NetworkInterface] {
        networkInterfaces.filter { $0.driver == driver }
    }

    /// The sum of `System RAM` in /proc/iomem, in MiB; nil where it is hidden (all addresses zero without root).
    private static func systemRAM(_ files: SystemFiles) -> Int? {
        guard let text = files.text("/proc/iomem") else { return nil }
        var bytes: UInt64 = 0
        for line in text.split(separator: "\n") where !line.hasPrefix(" ") && line.hasSuffix(": System RAM") {
            let range = line.prefix { $0 != " " }.split(separator: "-").compactMap { UInt64($0, radix: 16) }
            guard range.count == 2, range[1] > range[0] else { continue }
            bytes = bytes.addingReportingOverflow(range[1] - range[0] + 1).partialValue
        }
        return bytes == 0 ? nil : Int(bytes >> 20)
    }

    private static func memTotal(_ files: SystemFiles) -> Int? {
        guard let text = files.text("/proc/meminfo") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("MemTotal:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 / 1024 }
        }
        return nil
    }
}

/// `vendor:device` of a folder in /sys, when it is a PCI device.
func deviceID(of device: String, _ files: SystemFiles) -> String? {
    guard files.linkName(device + "/subsystem") == "pci", let vendor = files.line(device + "/vendor"),
        let id = files.line(device + "/device"), vendor.hasPrefix("0x"), id.hasPrefix("0x")
    else { return nil }
    return vendor.dropFirst(2) + ":" + id.dropFirst(2)
}

/// Counts from /sys/devices/system/cpu/cpuN/topology (Documentation/admin-guide/cputopology.rst).
private struct Topology {
    var sockets = 0
    var cores = 0
    var threads = 0

    init(_ files: SystemFiles) {
        let folder = "/sys/devices/system/cpu"
        var packages: Set<String> = []
        var coreNames: Set<String> = []
        for name in files.names(in: folder) where name.hasPrefix("cpu") && Int(name.dropFirst(3)) != nil {
            guard let package = files.line("\(folder)/\(name)/topology/physical_package_id") else { continue }
            let die = files.line("\(folder)/\(name)/topology/die_id") ?? "0"
            let core = files.line("\(folder)/\(name)/topology/core_id") ?? name
            threads += 1
            packages.insert(package)
            coreNames.insert("\(package)/\(die)/\(core)")
        }
        sockets = packages.count
        cores = coreNames.count
    }
}
