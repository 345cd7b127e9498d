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
    /// Serial ports that have a UART behind them, such as `ttyS0`.
    public var serialPorts: [String]

    public struct NetworkInterface: Sendable, Equatable, Codable {
        public var name: String
        /// Driver bound to the device; nil for interfaces without hardware.
        public var driver: String?
        public var address: String?

        public init(name: String, driver: String?, address: String?) {
            self.name = name
            self.driver = driver
            self.address = address
        }
    }

    public init(
        sockets: Int, cores: Int, threads: Int, memoryMiB: Int, networkInterfaces: [NetworkInterface],
        serialPorts: [String]
    ) {
        self.sockets = sockets
        self.cores = cores
        self.threads = threads
        self.memoryMiB = memoryMiB
        self.networkInterfaces = networkInterfaces
        self.serialPorts = serialPorts
    }

    /// Reads /proc and /sys below `root` (empty: the running system).
    public init(root: String = "") {
        let files = SystemFiles(root: root)
        let topology = Topology(files)
        self.init(
            sockets: topology.sockets, cores: topology.cores, threads: topology.threads,
            memoryMiB: Self.systemRAM(files) ?? Self.memTotal(files) ?? 0,
            networkInterfaces: files.names(in: "/sys/class/net").filter { $0 != "lo" }.map {
                NetworkInterface(
                    name: $0, driver: files.linkName("/sys/class/net/\($0)/device/driver"),
                    address: files.line("/sys/class/net/\($0)/address"))
            },
            serialPorts: files.names(in: "/sys/class/tty").filter {
                // Type 0 is PORT_UNKNOWN: the driver reserved a name, no UART answered (linux/serial_core.h).
                $0.hasPrefix("ttyS") && (files.number("/sys/class/tty/\($0)/type") ?? 0) != 0
            })
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
