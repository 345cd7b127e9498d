internal import CUSB

extension USBDevice {
    /// Nil when it is gone.
    @unsafe init?(_ device: OpaquePointer, names: Bool) {
        var descriptor = libusb_device_descriptor()
        guard unsafe libusb_get_device_descriptor(device, &descriptor) == 0 else { return nil }
        let speed = unsafe Speed(libusb: libusb_get_device_speed(device))
        let (interfaces, power) = unsafe Self.configuration(of: device)
        self.init(
            port: unsafe Self.port(of: device), address: unsafe libusb_get_device_address(device), vendor: descriptor.idVendor,
            product: descriptor.idProduct, release: descriptor.bcdDevice, classCode: descriptor.bDeviceClass, interfaces: interfaces, speed: speed,
            // bMaxPower counts 8 mA from USB 3 on, 2 mA before (USB 3.2, table 9-22).
            milliamperes: Int(power) * ((speed ?? .low) >= .superSpeed ? 8 : 2), names: names ? unsafe Self.names(of: device, descriptor) : Names())
    }

    @unsafe private static func port(of device: OpaquePointer) -> Port {
        var ports = [UInt8](repeating: 0, count: 7)
        let count = unsafe ports.withUnsafeMutableBufferPointer { ports in
            unsafe libusb_get_port_numbers(device, ports.baseAddress, Int32(ports.count))
        }
        return Port(bus: unsafe libusb_get_bus_number(device), ports: Array(ports.prefix(Int(max(0, count)))))
    }

    /// The first configuration's interfaces, first settings, and its bMaxPower.
    @unsafe private static func configuration(of device: OpaquePointer) -> (interfaces: [Interface], power: UInt8) {
        var configuration: UnsafeMutablePointer<libusb_config_descriptor>?
        guard unsafe libusb_get_config_descriptor(device, 0, &configuration) == 0, let configuration = unsafe configuration else { return ([], 0) }
        defer { unsafe libusb_free_config_descriptor(configuration) }
        var interfaces: [Interface] = []
        for index in 0..<Int(unsafe configuration.pointee.bNumInterfaces) {
            guard let interface = unsafe configuration.pointee.interface?[index], unsafe interface.num_altsetting > 0,
                let setting = unsafe interface.altsetting?.pointee
            else { continue }
            unsafe interfaces.append(
                Interface(
                    number: setting.bInterfaceNumber, classCode: setting.bInterfaceClass, subclass: setting.bInterfaceSubClass,
                    protocolCode: setting.bInterfaceProtocol))
        }
        return (interfaces, unsafe configuration.pointee.MaxPower)
    }

    /// What opening the device lets read; nothing where that is not permitted.
    @unsafe private static func names(of device: OpaquePointer, _ descriptor: libusb_device_descriptor) -> Names {
        var handle: OpaquePointer?
        guard unsafe libusb_open(device, &handle) == 0, let handle = unsafe handle else { return Names() }
        defer { unsafe libusb_close(handle) }
        guard let language = unsafe string(handle, 0, language: 0).first else { return Names() }
        func text(_ index: UInt8) -> String? {
            guard index > 0 else { return nil }
            let words = unsafe String(decoding: string(handle, index, language: language), as: UTF16.self)
            let end = words.lastIndex { !$0.isWhitespace && $0 != "\0" }
            return end.map { String(words[...$0]) }
        }
        return Names(manufacturer: text(descriptor.iManufacturer), product: text(descriptor.iProduct), serial: text(descriptor.iSerialNumber))
    }

    /// The 16-bit units of a string descriptor (USB 2.0, 9.6.7); of number 0 the languages. Empty when there is none.
    @unsafe private static func string(_ handle: OpaquePointer, _ index: UInt8, language: UInt16) -> [UInt16] {
        var bytes = [UInt8](repeating: 0, count: 255)
        let count = unsafe bytes.withUnsafeMutableBufferPointer { bytes in
            unsafe libusb_get_string_descriptor(handle, index, language, bytes.baseAddress, Int32(bytes.count))
        }
        guard count >= 4, bytes[1] == UInt8(LIBUSB_DT_STRING.rawValue) else { return [] }
        let end = min(Int(count), Int(bytes[0])) & ~1
        return stride(from: 2, to: end, by: 2).map { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 }
    }
}

extension USBDevice.Speed {
    fileprivate init?(libusb speed: Int32) {
        switch speed {
        case Int32(LIBUSB_SPEED_LOW.rawValue): self = .low
        case Int32(LIBUSB_SPEED_FULL.rawValue): self = .full
        case Int32(LIBUSB_SPEED_HIGH.rawValue): self = .high
        case Int32(LIBUSB_SPEED_SUPER.rawValue): self = .superSpeed
        case Int32(LIBUSB_SPEED_SUPER_PLUS.rawValue): self = .superPlus
        default: return nil
        }
    }
}
