internal import Contract
internal import Platform
internal import USB

/// Holds the disks that a command names against the rules: once when all are looked at, and once more when each is opened.
struct TargetCheck: Sendable {
    /// Prefix of /sys and /proc.
    let root: String
    let rules: [PortRules]
    /// Rules that do not count, for loop devices in tests.
    let permitted: Set<Refusal.Rule>

    /// What is plugged in now.
    func inventory() -> StickInventory {
        root.isEmpty ? StickInventory() : StickInventory(disks: BlockDeviceInventory(root: root), usb: [], problem: nil)
    }

    /// The disk that may be written.
    ///
    /// - Parameters:
    ///   - number: `major:minor` of a block special file.
    ///   - target: what it was called.
    ///   - expected: the identity that was listed before, if any.
    ///   - imageDisks: names of the disks that hold the image.
    func disk(
        _ number: String, _ target: String, expected: BlockDevice.Identity?, in inventory: StickInventory, imageDisks: Set<String> = []
    ) throws(ProvisioningError) -> BlockDevice {
        let check = SafetyCheck(inventory, rules: rules, permitting: permitted)
        let device = try check.disk(number: number, path: target)
        let refusals = check.refusals(for: device, imageDisks: imageDisks, expected: expected)
        guard refusals.isEmpty else { throw .refused(refusals) }
        return device
    }

    /// Whether a disk that fails has left its port. The kernel fails its transfers a little before it takes the disk away.
    func isGone(_ number: String?) -> Bool {
        guard let number else { return false }
        let end = monotonicNow() + 2_000_000_000
        while FileStatus("\(root)/sys/dev/block/\(number)") != nil {
            guard monotonicNow() < end else { return false }
            sleep(nanoseconds: 50_000_000)
        }
        return true
    }
}
