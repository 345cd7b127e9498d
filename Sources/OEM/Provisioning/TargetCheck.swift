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

    /// Looks at every job before the first is done.
    ///
    /// - Parameter check: gets what is plugged in, which is looked up once, and only where it is asked for: plain files need none.
    /// - Throws: all refusals of all jobs, or the first other error.
    func all<Job, Checked>(
        _ jobs: [Job], refusing earlier: [Refusal] = [], _ check: (Job, () -> StickInventory) throws(ProvisioningError) -> Checked
    ) throws(ProvisioningError) -> [Checked] {
        var checked: [Checked] = []
        var refusals = earlier
        lazy var plugged = inventory()
        for job in jobs {
            do throws(ProvisioningError) { checked.append(try check(job, { plugged })) } catch {
                guard case .refused(let reasons) = error else { throw error }
                refusals += reasons.filter { !refusals.contains($0) }
            }
        }
        guard refusals.isEmpty else { throw .refused(refusals) }
        return checked
    }

    /// Notes a target among those `seen`.
    ///
    /// - Throws: `usage` for one that was named before, whatever its names are.
    static func note(_ target: String, _ identity: TargetIdentity, in seen: inout [TargetIdentity: String]) throws(ProvisioningError) {
        guard let other = seen.updateValue(target, forKey: identity) else { return }
        throw .failed(.usage, other == target ? "the stick \(other) is named twice" : "\(other) and \(target) are one and the same stick")
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

    /// Begins a transfer with a disk that was checked.
    ///
    /// - Parameter number: `major:minor`; nil for a plain file.
    func transfer(_ number: String?) -> DiskTransfer { DiskTransfer(number, root: root) }
}
