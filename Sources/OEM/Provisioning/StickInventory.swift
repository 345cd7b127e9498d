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
        let disks = BlockDeviceInventory()
        do throws(USBError) {
            self.init(disks: disks, usb: USBDisks.join(try USBContext().devices(), SystemFiles()), problem: nil)
        } catch {
            self.init(disks: disks, usb: [], problem: error.description)
        }
    }

    package init(disks: BlockDeviceInventory, usb: [USBDisks], problem: String?) {
        self.disks = disks
        self.usb = usb
        self.problem = problem
    }

    /// The USB device that a disk is behind.
    public func usb(behind disk: BlockDevice) -> USBDisks? { usb.first { $0.disks.contains(disk.name) } }
}
