internal import Bytes
public import USB

/// Which ports and makers a stick may be of. Empty lists allow all.
public struct PortRules: Sendable, Equatable {
    /// Exactly these ports.
    public var ports: Set<USBDevice.Port>
    /// Every port of these hubs, at any depth.
    public var hubs: Set<USBDevice.Port>
    /// idVendor.
    public var vendors: Set<UInt16>

    public init(ports: Set<USBDevice.Port> = [], hubs: Set<USBDevice.Port> = [], vendors: Set<UInt16> = []) {
        self.ports = ports
        self.hubs = hubs
        self.vendors = vendors
    }

    /// What forbids a device, and what to do; nil when it is allowed.
    func objection(to device: USBDevice) -> (why: String, action: String)? {
        if !ports.isEmpty || !hubs.isEmpty, !ports.contains(device.port), !hubs.contains(where: { $0 != device.port && $0.contains(device.port) }) {
            return ("it is at port \(device.port), which is not one of those that are allowed", "plug it into \(places), or allow its port")
        }
        if !vendors.isEmpty, !vendors.contains(device.vendor) {
            return ("its maker is \(device.identifier.prefix(4)), and only \(vendors.map { Hexadecimal.encode($0) }.sorted().joined(separator: ", ")) are allowed", "use another stick, or allow its maker")
        }
        return nil
    }

    private var places: String {
        (ports.sorted().map { "port \($0)" } + hubs.sorted().map { "hub \($0)" }).joined(separator: " or ")
    }
}
