internal import CUSB

/// A session with libusb 1.0: what is plugged in.
///
/// libusb reads the devices' descriptors from the kernel; nothing is sent to a device, and no driver is taken from it.
@safe public struct USBContext: ~Copyable {
    // SAFETY: made by libusb_init, ended by libusb_exit once in deinit; libusb locks for itself.
    let context: OpaquePointer

    public init() throws(USBError) {
        var context: OpaquePointer?
        try checked(unsafe libusb_init(&context), "libusb_init")
        guard let context = unsafe context else { throw USBError(call: "libusb_init", code: LIBUSB_ERROR_OTHER.rawValue) }
        unsafe self.context = context
    }

    deinit { unsafe libusb_exit(context) }

    /// Everything on every bus, hubs too, in order of ports.
    ///
    /// - Parameter names: whether devices are opened for what they say in words.
    public borrowing func devices(names: Bool = true) throws(USBError) -> [USBDevice] {
        var list: UnsafeMutablePointer<OpaquePointer?>?
        let count = Int(try checked(Int32(clamping: unsafe libusb_get_device_list(context, &list)), "libusb_get_device_list"))
        guard let list = unsafe list else { return [] }
        defer { unsafe libusb_free_device_list(list, 1) }
        var devices: [USBDevice] = []
        for index in 0..<count {
            guard let device = unsafe list[index] else { break }
            // One that goes while it is read is none.
            if let device = unsafe USBDevice(device, names: names) { devices.append(device) }
        }
        return devices.sorted { $0.port < $1.port }
    }

    /// - Throws: where libusb was built without hot-plug support.
    public static func watch() throws(USBError) -> USBWatch {
        guard libusb_has_capability(UInt32(LIBUSB_CAP_HAS_HOTPLUG.rawValue)) != 0 else {
            throw USBError(call: "libusb_has_capability(HOTPLUG)", code: LIBUSB_ERROR_NOT_SUPPORTED.rawValue)
        }
        return try USBWatch()
    }
}
