import USB
internal import Disk

/// Decides whether a disk may be overwritten. Everything that is not clearly a free stick is refused.
public struct SafetyCheck: Sendable {
    private let inventory: StickInventory
    private let rules: [PortRules]
    /// Rules that do not count; only this package's own tests use it, for loop devices.
    private let permitted: Set<Refusal.Rule>

    public init(_ inventory: StickInventory, rules: [PortRules] = []) { self.init(inventory, rules: rules, permitting: []) }

    package init(_ inventory: StickInventory, rules: [PortRules] = [], permitting: Set<Refusal.Rule>) {
        self.inventory = inventory
        self.rules = rules
        permitted = permitting
    }

    /// Every reason not to write `device`; empty when it may be written.
    ///
    /// - Parameters:
    ///   - imageDisks: names of the disks that hold the image.
    ///   - expected: the identity that was listed before, if any.
    public func refusals(
        for device: BlockDevice, imageDisks: Set<String> = [], expected: BlockDevice.Identity? = nil
    ) -> [Refusal] {
        var refusals: [Refusal] = []
        func refuse(_ rule: Refusal.Rule, _ why: String, _ action: String) {
            guard !permitted.contains(rule) else { return }
            refusals.append(Refusal(rule, subject: device.path, why: why, action: action))
        }
        if device.holdsRoot {
            refuse(.rootDisk, "it holds this computer's root file system", "choose another device (vsmp usb list)")
        }
        if imageDisks.contains(device.name) {
            refuse(.imageDisk, "it holds the image that would be written", "copy the image to another disk first")
        }
        if !device.isRemovable {
            refuse(.notRemovable, "the kernel calls it a fixed disk", "use a removable USB stick")
        }
        refusePort(of: device, refuse)
        for mount in device.mounts where mount.place != "/" {
            refuse(.mounted, "\(mount.device) is mounted on \(mount.place)", "unmount it: umount \(mount.place)")
        }
        for name in device.swap {
            refuse(.swap, "\(name) is swap space in use", "turn it off: swapoff /dev/\(name)")
        }
        for holder in device.holders {
            refuse(
                .member, "\(holder.part) is part of \(holder.holder) (\(holder.kind))",
                "take \(holder.holder) apart first if its data is not needed")
        }
        for signature in device.signatures {
            refuse(
                .member, "it carries \(signature)",
                "if its data is not needed, erase the signatures (wipefs --all) and try again")
        }
        refuseUnusable(device, refuse)
        if let expected, !expected.agrees(with: device.identity) {
            refuse(
                .changed, "size, serial number or port changed since it was listed: was \(expected), is \(device.identity)",
                "list the devices again (vsmp usb list) and make sure that it is the right stick")
        }
        return refusals
    }

    private func refusePort(of device: BlockDevice, _ refuse: (Refusal.Rule, String, String) -> Void) {
        guard let usb = inventory.usb(behind: device) else {
            let why = inventory.problem.map { "libusb cannot say what it is: \($0)" } ?? "it is behind no USB device that libusb knows"
            refuse(.notUSB, why, "use a USB stick")
            return
        }
        if let disagreement = usb.disagreement {
            refuse(.unclear, "what is at port \(usb.device.port) is not clear: \(disagreement)", "pull it, plug it in again, and list the devices again (vsmp usb list)")
        }
        for rules in rules {
            if let (why, action) = rules.objection(to: usb.device) { refuse(.notAllowed, why, action) }
        }
    }

    private func refuseUnusable(_ device: BlockDevice, _ refuse: (Refusal.Rule, String, String) -> Void) {
        if device.size == 0 { refuse(.noMedium, "there is no medium in it", "insert a stick") }
        if device.isReadOnly { refuse(.readOnly, "it is write-protected", "release its write protection") }
        if !GUIDPartitionTable.sectorSizes.contains(device.sectorSize) {
            refuse(
                .sectorSize, "its sectors have \(device.sectorSize) bytes, a stick has 512 or 4096",
                "use another stick")
        }
    }

    /// What may be done with `number` (`major:minor` of a block special file): the disk, or a refusal.
    func disk(number: String, path: String) throws(ProvisioningError) -> BlockDevice {
        guard let (device, isPartition) = inventory.disks.device(number: number) else {
            throw .refused([
                Refusal(
                    .notWholeDisk, subject: path, why: "the kernel lists no disk with the number \(number)",
                    action: "choose a device from vsmp usb list")
            ])
        }
        guard !isPartition else {
            throw .refused([
                Refusal(
                    .notWholeDisk, subject: path, why: "it is a partition of \(device.path)",
                    action: "name the whole disk \(device.path), if that is the stick")
            ])
        }
        return device
    }
}
