/// A computer's USB ports as umockdev shows them to a program: the descriptors that libusb reads, and the disks that the kernel makes.
package struct MockComputer {
    package struct Device {
        package var port: String
        package var address: Int
        package var vendor: Int
        package var product: Int
        /// bcdUSB.
        package var version = 0x0200
        /// Megabits a second, as the kernel's attribute has them.
        package var speed = "480"
        package var deviceClass: UInt8 = 0
        /// Class, subclass and protocol of each interface.
        package var interfaces: [[UInt8]] = [[8, 6, 0x50]]
        /// bMaxPower.
        package var power: UInt8 = 100
        package var manufacturer: String?
        package var name: String?
        package var serial: String?
        package var disks: [Disk] = []

        package init(
            port: String, address: Int, vendor: Int, product: Int, version: Int = 0x0200, speed: String = "480", deviceClass: UInt8 = 0,
            interfaces: [[UInt8]] = [[8, 6, 0x50]], power: UInt8 = 100, manufacturer: String? = nil, name: String? = nil, serial: String? = nil, disks: [Disk] = []
        ) {
            (self.port, self.address, self.vendor, self.product, self.version, self.speed) = (port, address, vendor, product, version, speed)
            (self.deviceClass, self.interfaces, self.power) = (deviceClass, interfaces, power)
            (self.manufacturer, self.name, self.serial, self.disks) = (manufacturer, name, serial, disks)
        }
    }

    package struct Disk {
        package var name: String
        /// Sectors of 512 bytes; 0 without a medium.
        package var sectors: Int
        package var isRemovable = true
        package var isReadOnly = false

        package init(name: String, sectors: Int, isRemovable: Bool = true, isReadOnly: Bool = false) {
            (self.name, self.sectors, self.isRemovable, self.isReadOnly) = (name, sectors, isRemovable, isReadOnly)
        }
    }

    private static let controller = "/devices/pci0000:00/0000:00:14.0"
    package var devices: [Device]

    package init(devices: [Device]) { self.devices = devices }

    /// The record for umockdev-run --device.
    package var record: String {
        var text = "P: \(Self.controller)\nE: SUBSYSTEM=pci\nE: PCI_CLASS=C0330\nA: class=0x0c0330\\n\n\n"
        for bus in Set(devices.map { String($0.port.prefix { $0 != "-" }) }).sorted() {
            text += record(
                Device(
                    port: "usb" + bus, address: 1, vendor: 0x1d6b, product: 2, deviceClass: 9, interfaces: [[9, 0, 0]], power: 0, name: "xHCI Host Controller"))
        }
        for device in devices.sorted(by: { $0.port.count < $1.port.count }) { text += record(device) }
        return text
    }

    /// Below /sys.
    package func path(_ port: String) -> String {
        if port.hasPrefix("usb") { return "\(Self.controller)/\(port)" }
        let parts = port.split(separator: "-")
        let ports = parts[1].split(separator: ".").map(String.init)
        let folders = (1...ports.count).map { "/\(parts[0])-" + ports.prefix($0).joined(separator: ".") }
        return "\(Self.controller)/usb\(parts[0])" + folders.joined()
    }

    package func record(_ device: Device) -> String {
        let bus = Int(device.port.drop { !$0.isNumber }.prefix { $0.isNumber }) ?? 0
        let folder = path(device.port)
        let node = "bus/usb/\(padded(bus))/\(padded(device.address))"
        let descriptors = self.descriptors(device).map { padded(Int($0), 2, radix: 16) }.joined().uppercased()
        var lines = [
            "P: \(folder)", "N: \(node)=\(descriptors)", "E: BUSNUM=\(padded(bus))", "E: DEVNUM=\(padded(device.address))", "E: DEVNAME=/dev/\(node)",
            "E: DEVTYPE=usb_device", "E: MAJOR=189", "E: MINOR=\((bus - 1) * 128 + device.address - 1)", "E: SUBSYSTEM=usb", "E: DRIVER=usb",
            "A: idVendor=\(padded(device.vendor, 4, radix: 16))\\n", "A: idProduct=\(padded(device.product, 4, radix: 16))\\n", "A: speed=\(device.speed)\\n",
            "A: busnum=\(bus)\\n", "A: devnum=\(device.address)\\n", "A: bConfigurationValue=1\\n",
        ]
        for (name, value) in [("manufacturer", device.manufacturer), ("product", device.name), ("serial", device.serial)] {
            if let value { lines.append("A: \(name)=\(value)\\n") }
        }
        lines.append("H: descriptors=\(descriptors)")
        for (number, interface) in device.interfaces.enumerated() {
            lines += ["", "P: \(folder)/\(device.port):1.\(number)", "E: DEVTYPE=usb_interface", "E: SUBSYSTEM=usb", "A: bInterfaceClass=\(padded(Int(interface[0]), 2, radix: 16))\\n"]
        }
        for (unit, disk) in device.disks.enumerated() {
            lines += [
                "", "P: \(folder)/\(device.port):1.0/host\(device.address)/target\(device.address):0:0/\(device.address):0:0:\(unit)/block/\(disk.name)",
                "N: \(disk.name)", "E: DEVNAME=/dev/\(disk.name)", "E: DEVTYPE=disk", "E: MAJOR=8", "E: MINOR=\(device.address * 16 + unit)", "E: SUBSYSTEM=block",
                "A: dev=8:\(device.address * 16 + unit)\\n", "A: size=\(disk.sectors)\\n", "A: removable=\(disk.isRemovable ? 1 : 0)\\n",
                "A: ro=\(disk.isReadOnly ? 1 : 0)\\n", "A: queue/logical_block_size=512\\n",
            ]
        }
        return lines.joined(separator: "\n") + "\n\n"
    }

    /// Device and configuration descriptor, two bulk endpoints an interface (USB 2.0, 9.6).
    private func descriptors(_ device: Device) -> [UInt8] {
        func word(_ number: Int) -> [UInt8] { [UInt8(number & 0xFF), UInt8(number >> 8)] }
        let strings: [UInt8] = [device.manufacturer == nil ? 0 : 1, device.name == nil ? 0 : 2, device.serial == nil ? 0 : 3]
        var bytes: [UInt8] = [18, 1] + word(device.version) + [device.deviceClass, 0, 0, device.version >= 0x300 ? 9 : 64]
        bytes += word(device.vendor) + word(device.product) + word(0x0100) + strings + [1]
        let interfaces = device.interfaces.enumerated().flatMap { number, interface -> [UInt8] in
            [9, 4, UInt8(number), 0, 2] + interface + [0] + [7, 5, 0x81, 2, 0, 2, 0] + [7, 5, 0x02, 2, 0, 2, 0]
        }
        return bytes + [9, 2] + word(9 + interfaces.count) + [UInt8(device.interfaces.count), 1, 0, 0x80, device.power] + interfaces
    }

    private func padded(_ number: Int, _ width: Int = 3, radix: Int = 10) -> String {
        let digits = String(number, radix: radix)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
