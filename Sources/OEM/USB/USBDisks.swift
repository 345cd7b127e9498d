package import Platform

/// A USB device with the disks that the kernel made of it.
///
/// libusb says what the device is; sysfs says which disks are behind its interfaces. The two are joined by the port path, which both have, and
/// must agree about the device, so that no disk is ever taken for one behind another port.
public struct USBDisks: Sendable, Equatable, Codable {
    public let device: USBDevice
    /// Kernel names such as `sdb`, sorted; several for a card reader, none while the kernel has not looked yet or has no driver for it.
    public let disks: [String]
    /// What libusb and sysfs do not agree about; nil when they agree.
    public let disagreement: String?

    package init(device: USBDevice, disks: [String], disagreement: String? = nil) {
        (self.device, self.disks, self.disagreement) = (device, disks, disagreement)
    }

    /// Joins devices with the disks below /sys/block.
    ///
    /// - Parameter devices: from ``USBContext/devices(names:)``; those that are no mass storage and have no disk are left out.
    package static func join(_ devices: [USBDevice], _ files: SystemFiles) -> [USBDisks] {
        var names: [USBDevice.Port: [String]] = [:]
        for name in files.names(in: "/sys/block") {
            guard let port = port(ofDisk: name, files) else { continue }
            names[port, default: []].append(name)
        }
        return devices.compactMap { device in
            let disks = names[device.port] ?? []
            guard device.isMassStorage || !disks.isEmpty else { return nil }
            let folder = "/sys/bus/usb/devices/\(device.port)"
            var device = device
            device.names.fill(from: folder, files)
            return USBDisks(device: device, disks: disks, disagreement: disagreement(device, folder, files))
        }
    }

    /// The port of the USB device that a disk is behind; nil for a disk that is behind none.
    package static func port(ofDisk name: String, _ files: SystemFiles) -> USBDevice.Port? {
        files.linkTarget("/sys/block/" + name)?.split(separator: "/").reversed().lazy.compactMap { USBDevice.Port($0) }.first { !$0.ports.isEmpty }
    }

    private static func disagreement(_ device: USBDevice, _ folder: String, _ files: SystemFiles) -> String? {
        func number(_ name: String, _ radix: Int) -> Int? { files.line("\(folder)/\(name)").flatMap { Int($0, radix: radix) } }
        let facts = [
            ("vendor", Int(device.vendor), number("idVendor", 16)), ("product", Int(device.product), number("idProduct", 16)),
            ("bus", Int(device.port.bus), number("busnum", 10)), ("address", Int(device.address), number("devnum", 10)),
        ]
        for (name, libusb, sysfs) in facts where libusb != sysfs {
            return "libusb says \(name) \(libusb), the kernel \(sysfs.map(String.init) ?? "nothing")"
        }
        if let said = device.names.serial, let kernels = files.line(folder + "/serial"), said != kernels, !said.isEmpty {
            return "libusb says serial number \(said), the kernel \(kernels)"
        }
        return nil
    }
}

extension USBDevice.Names {
    /// What opening the device did not tell, as the kernel read it when it came.
    fileprivate mutating func fill(from folder: String, _ files: SystemFiles) {
        if manufacturer == nil { manufacturer = files.line(folder + "/manufacturer") }
        if product == nil { product = files.line(folder + "/product") }
        if serial == nil { serial = files.line(folder + "/serial") }
    }
}
