internal import Bytes

/// What a USB device's descriptors say, and where it is plugged in (USB 3.2, chapter 9).
public struct USBDevice: Sendable, Equatable, Codable {
    /// The port it is plugged into: the host controller's bus, then the port of each hub on the way.
    public struct Port: Sendable, Hashable, Codable, Comparable, CustomStringConvertible {
        public let bus: UInt8
        /// One to seven ports (USB 3.2, 10.1); none for the root hub itself.
        public let ports: [UInt8]

        public init(bus: UInt8, ports: [UInt8]) { (self.bus, self.ports) = (bus, ports) }

        /// From `BUS-PORT.PORT...`, the kernel's name of the device.
        public init?(_ text: some StringProtocol) {
            let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let bus = Self.number(parts[0]) else { return nil }
            var ports: [UInt8] = []
            for part in parts[1].split(separator: ".", omittingEmptySubsequences: false) {
                guard let port = Self.number(part) else { return nil }
                ports.append(port)
            }
            guard ports.count <= 7 else { return nil }
            self.init(bus: bus, ports: ports)
        }

        /// Its own spelling only, so that one port has one name.
        private static func number(_ text: some StringProtocol) -> UInt8? {
            guard let number = UInt8(text), number > 0, "\(number)" == text else { return nil }
            return number
        }

        /// `BUS-PORT.PORT...`; `usbBUS` for a root hub: the names below /sys/bus/usb/devices.
        public var description: String { ports.isEmpty ? "usb\(bus)" : "\(bus)-" + ports.map(String.init).joined(separator: ".") }

        /// The hub it is on; nil for a root hub.
        public var hub: Port? { ports.isEmpty ? nil : Port(bus: bus, ports: Array(ports.dropLast())) }

        /// Whether it is this port's device or below it.
        public func contains(_ other: Port) -> Bool { bus == other.bus && other.ports.starts(with: ports) }

        public static func < (a: Port, b: Port) -> Bool { a.bus != b.bus ? a.bus < b.bus : a.ports.lexicographicallyPrecedes(b.ports) }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let port = Port(text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected BUS-PORT.PORT, as in 1-4.2")
            }
            self = port
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(description)
        }
    }

    /// What the bus runs at. Bits a second of the signal, as the specifications name them.
    public enum Speed: String, Sendable, Codable, Comparable, CaseIterable {
        case low, full, high
        case superSpeed = "super"
        case superPlus = "super-plus"

        /// Megabits a second.
        public var megabits: Double {
            switch self {
            case .low: 1.5
            case .full: 12
            case .high: 480
            case .superSpeed: 5000
            case .superPlus: 10000
            }
        }

        public var description: String { megabits >= 1000 ? "\(Int(megabits) / 1000) Gbit/s" : "\(megabits == 1.5 ? "1.5" : "\(Int(megabits))") Mbit/s" }

        public static func < (a: Speed, b: Speed) -> Bool { a.megabits < b.megabits }
    }

    public struct Interface: Sendable, Hashable, Codable {
        public let number: UInt8
        public let classCode: UInt8
        public let subclass: UInt8
        public let protocolCode: UInt8

        package init(number: UInt8, classCode: UInt8, subclass: UInt8, protocolCode: UInt8) {
            self.number = number
            self.classCode = classCode
            self.subclass = subclass
            self.protocolCode = protocolCode
        }

        public static let massStorage: UInt8 = 8
        /// Bulk-only transport, and USB attached SCSI (Mass Storage Class Specification Overview 1.4, table 3).
        public static let bulkOnly: UInt8 = 0x50, attachedSCSI: UInt8 = 0x62
    }

    public let port: Port
    /// The device's number on its bus; another one each time it is plugged in.
    public let address: UInt8
    public let vendor: UInt16
    public let product: UInt16
    /// bcdDevice: the maker's own revision, in binary-coded decimal.
    public let release: UInt16
    /// bDeviceClass; 9 is a hub, 0 says that the interfaces tell.
    public let classCode: UInt8
    public let interfaces: [Interface]
    /// Nil where the operating system does not say.
    public let speed: Speed?
    /// The most that it draws from the bus in its first configuration, in mA.
    public let milliamperes: Int
    public var names: Names

    /// What the device says in words. They take opening it, which needs a permission.
    public struct Names: Sendable, Equatable, Codable {
        public var manufacturer: String?
        public var product: String?
        public var serial: String?

        public init(manufacturer: String? = nil, product: String? = nil, serial: String? = nil) {
            self.manufacturer = manufacturer
            self.product = product
            self.serial = serial
        }
    }

    package init(
        port: Port, address: UInt8, vendor: UInt16, product: UInt16, release: UInt16, classCode: UInt8, interfaces: [Interface], speed: Speed?,
        milliamperes: Int, names: Names
    ) {
        self.port = port
        self.address = address
        self.vendor = vendor
        self.product = product
        self.release = release
        self.classCode = classCode
        self.interfaces = interfaces
        self.speed = speed
        self.milliamperes = milliamperes
        self.names = names
    }

    public var isHub: Bool { classCode == 9 }
    public var isMassStorage: Bool { interfaces.contains { $0.classCode == Interface.massStorage } }

    /// `VVVV:PPPP`, in hexadecimal digits.
    public var identifier: String { Hexadecimal.encode(vendor) + ":" + Hexadecimal.encode(product) }
}
