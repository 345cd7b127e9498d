package import Platform

/// One port of a verbs device, as /sys/class/infiniband shows it (Linux, Documentation/ABI/stable/sysfs-class-infiniband).
public struct VerbsPort: Sendable, Equatable, Codable {
    /// Name of the device, such as `mlx4_0`.
    public var device: String
    /// From 1 on.
    public var number: Int
    /// Driver of the hardware; nil for a device in software.
    public var driver: String?
    public var pciID: String?
    /// What the wire is, whatever the adapter could be.
    public var isInfiniBand: Bool
    /// Line rate in Mbit/s; nil where the kernel does not say.
    public var rateMbps: Int?
    public var state: State
    /// The network interface on the same port; nil without one.
    public var interface: String?

    /// Logical state of a port (InfiniBand Architecture Specification, volume 1, 14.2.5.6, PortState).
    public enum State: String, Sendable, Codable {
        /// No link.
        case down = "DOWN"
        /// A link, and no subnet manager has set the port up.
        case initialize = "INIT"
        case armed = "ARMED"
        case active = "ACTIVE"
        /// The link was lost a moment ago, and may come back without a subnet manager.
        case deferred = "ACTIVE_DEFER"
        case unknown
    }

    public init(
        device: String, number: Int, driver: String? = nil, pciID: String? = nil, isInfiniBand: Bool = false, rateMbps: Int? = nil,
        state: State, interface: String? = nil
    ) {
        self.device = device
        self.number = number
        self.driver = driver
        self.pciID = pciID
        self.isInfiniBand = isInfiniBand
        self.rateMbps = rateMbps
        self.state = state
        self.interface = interface
    }

    /// Every port of every device, in the order of their names.
    package static func all(_ files: SystemFiles) -> [VerbsPort] {
        files.names(in: folder).flatMap { device in
            files.names(in: "\(folder)/\(device)/ports").compactMap { Int($0) }.sorted().map { VerbsPort(device, $0, files) }
        }
    }

    private static let folder = "/sys/class/infiniband"

    private init(_ device: String, _ number: Int, _ files: SystemFiles) {
        let place = "\(Self.folder)/\(device)", port = "\(place)/ports/\(number)"
        self.device = device
        self.number = number
        driver = files.linkName(place + "/device/driver")
        pciID = deviceID(of: place + "/device", files)
        isInfiniBand = files.line(port + "/link_layer") == "InfiniBand"
        // "40 Gb/sec (4X QDR)", "2.5 Gb/sec (1X SDR)"; what a soft device says is no wire's.
        rateMbps = driver == nil ? nil : files.line(port + "/rate")?.split(separator: " ").first.flatMap { Double($0) }.flatMap { Int(exactly: ($0 * 1000).rounded()) }
        // "4: ACTIVE"
        state = files.line(port + "/state")?.split(separator: " ").last.flatMap { State(rawValue: String($0)) } ?? .unknown
        interface = isInfiniBand ? Self.overInfiniBand(place, number, files) : Self.ethernet(place, port, files)
    }

    /// The interface of the port's first GID that has one (gid_attrs/ndevs); a soft device names its own.
    private static func ethernet(_ place: String, _ port: String, _ files: SystemFiles) -> String? {
        let gids = "\(port)/gid_attrs/ndevs"
        let numbers = files.names(in: gids).compactMap { Int($0) }.sorted()
        return numbers.lazy.compactMap { files.line("\(gids)/\($0)") }.first ?? files.line(place + "/parent")
    }

    /// IP over InfiniBand hangs on the same device; `dev_port` counts from 0.
    private static func overInfiniBand(_ place: String, _ number: Int, _ files: SystemFiles) -> String? {
        guard let device = files.linkName(place + "/device") else { return nil }
        return files.names(in: "/sys/class/net").first { name in
            let interface = "/sys/class/net/\(name)"
            return files.number(interface + "/type") == 32 && files.linkName(interface + "/device") == device
                && files.number(interface + "/dev_port") ?? 0 == number - 1
        }
    }
}

extension VerbsPort: CustomStringConvertible {
    public var description: String {
        "verbs device \(device), port \(number) of \(interface ?? "no interface"), \(isInfiniBand ? "InfiniBand" : "Ethernet (RoCE)")"
            + (rateMbps.map { ", \($0) Mbit/s" } ?? "")
    }
}

extension HardwareInventory {
    /// Ports with an InfiniBand wire, named as the subnet manager's tools do: device, port.
    public var infinibandPorts: [NetworkInterface] {
        verbsPorts.filter(\.isInfiniBand).map {
            NetworkInterface(name: "\($0.device)/\($0.number)", driver: $0.driver, address: nil, pciID: $0.pciID, isInfiniBand: true, rateMbps: $0.rateMbps)
        }
    }
}
