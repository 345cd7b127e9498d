internal import Platform
public import USB

/// What is plugged into a computer: its disks as the kernel has them, and the USB devices that they are behind as libusb has them.
public struct StickInventory: Sendable {
    public let disks: BlockDeviceInventory
    /// Every mass-storage device, also one without a disk.
    public let usb: [USBDisks]
    /// Why libusb says nothing; nil when it does.
    public let problem: String?

    /// The running system.
    public init() {
        do throws(USBError) {
            let devices = try USBContext().devices()
            self.init(root: "", usb: devices, problem: nil)
        } catch {
            self.init(root: "", usb: [], problem: error.description)
        }
    }

    /// - Parameters:
    ///   - root: prefix of /sys, /proc and /dev.
    ///   - usb: what libusb would say there.
    package init(root: String, usb: [USBDevice], problem: String? = nil) {
        disks = BlockDeviceInventory(root: root)
        self.usb = USBDisks.join(usb, SystemFiles(root: root))
        self.problem = problem
    }

    package init(disks: BlockDeviceInventory, usb: [USBDisks]) {
        self.disks = disks
        self.usb = usb
        problem = nil
    }

    /// The USB device that a disk is behind.
    public func usb(behind disk: BlockDevice) -> USBDisks? { usb.first { $0.disks.contains(disk.name) } }
}
