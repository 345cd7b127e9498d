internal import BoardSupport
internal import Contract
internal import Disk
public import FirmwareImage
internal import Glibc
internal import Platform
private import USB

/// Writes images to sticks, and newer firmware onto sticks that are written.
public struct StickWriter: Sendable {
    public let image: ImageFile
    private let root: String
    private let rules: [PortRules]
    private let permitted: Set<Refusal.Rule>
    private let shelf: ImageShelf

    /// - Parameters:
    ///   - image: a file, a disk, `-` for standard input, packed or not.
    ///   - rules: which ports and makers are allowed; all of them must allow a stick.
    public init(image: String, rules: [PortRules] = []) throws(ProvisioningError) { try self.init(image: image, rules: rules, permitting: []) }

    /// - Parameters:
    ///   - root: prefix of /sys and /proc for the safety check.
    ///   - permitting: rules that do not count, for loop devices in tests.
    package init(
        image: String, root: String = "", rules: [PortRules] = [], permitting: Set<Refusal.Rule>
    ) throws(ProvisioningError) {
        self.rules = rules
        do throws(ImageError) { self.image = try ImageFile(image) } catch {
            throw .failed(error.exitStatus, error.description)
        }
        self.root = root
        permitted = permitting
        shelf = ImageShelf(self.image)
    }

    /// A job that may be done.
    private struct CheckedJob {
        let job: StickJob
        let layout: StickLayout
        let plan: StickPlan
        /// Where a former owner's cluster key may lie.
        let cleared: [Range<Int>]
        /// `major:minor` of a disk.
        let number: String?
    }

    /// Checks all jobs as far as that can be done before anything is written, and says what each will do.
    ///
    /// - Throws: every refusal of every target; a target that is named twice, whatever its names are.
    public func check(_ jobs: [StickJob]) throws(ProvisioningError) -> [StickPlan] { try checked(jobs).map(\.plan) }

    /// Writes all sticks at once, each on a thread of its own, reads each back and compares. Nothing is written unless all jobs may be done; from
    /// then on each stick has its own outcome.
    ///
    /// - Parameters:
    ///   - progress: called with a target after each few MiB of it; one call at a time.
    ///   - finished: called with each stick's outcome as soon as it has one; one call at a time.
    ///   - stop: ends it; then this does not return.
    /// - Returns: the outcomes in the order of the jobs.
    @discardableResult
    public func write(
        _ jobs: [StickJob], progress: @escaping @Sendable (String, StickProgress) -> Void = { _, _ in },
        finished: @escaping @Sendable (StickOutcome) -> Void = { _ in }, stop: StickStop? = nil
    ) throws(ProvisioningError) -> [StickOutcome] {
        let checked = try checked(jobs)
        let shared = try shelf.shared(for: checked.map(\.layout))
        let targets = jobs.map(\.target)
        let results = SticksAtOnce.run(targets, progress: progress, finished: { finished(StickOutcome(target: targets[$0], result: $1)) }, stop: stop) {
            (index, progress) throws(ProvisioningError) in try write(checked[index], shared, progress)
        }
        return zip(targets, results).map { StickOutcome(target: $0, result: $1) }
    }

    /// Writes one stick.
    public func write(
        to target: String, personalisation: StickPersonalisation?, expected: BlockDevice.Identity? = nil,
        progress: @escaping @Sendable (StickProgress) -> Void = { _ in }
    ) throws(ProvisioningError) -> StickReport {
        let outcomes = try write([StickJob(target, personalisation: personalisation, expected: expected)], progress: { progress($1) })
        return try outcomes[0].result.get()
    }

    /// Puts the image's firmware into the bank of a written stick that is not needed.
    ///
    /// - Parameters:
    ///   - target: a whole removable disk, or the plain file of a stick.
    ///   - isDryRun: check everything and change nothing.
    ///   - progress: hears what is done, a sentence at a time.
    public func update(_ target: String, isDryRun: Bool = false, progress: (String) -> Void = { _ in }) throws(ProvisioningError) -> BankInstallation {
        guard let status = FileStatus(target) else { throw .failed(.missingInput, "there is no stick \(target)") }
        guard try !image.identities().contains(TargetIdentity(target)) else {
            throw .refused([Refusal(.notAStick, subject: target, why: "it is the image itself", action: "name the stick")])
        }
        guard status.kind == .blockDevice else { return try install(target, isDryRun, progress) }
        let listed = try check(status.device, target, nil, targets.inventory())
        // Held till the end: nobody mounts it, and the programs that change it need no such hold of their own.
        let file = try onDisk { () throws(DiskError) in try FileStore(writingDevice: target) }
        _ = try check(file.deviceNumber() ?? "", target, listed.identity, targets.inventory())
        let transfer = targets.transfer(status.device)
        do throws(ProvisioningError) {
            let report = try install(target, isDryRun, progress)
            try onDisk { () throws(DiskError) in try file.flush() }
            return report
        } catch {
            throw transfer.failure(of: target, error, "its other bank starts as before; plug it in and update it again")
        }
    }

    private func install(_ target: String, _ isDryRun: Bool, _ progress: (String) -> Void) throws(ProvisioningError) -> BankInstallation {
        do throws(ImageError) {
            let file = try ImageFile(target)
            guard file.isPlain else { throw ImageError(.badInput, "\(target) is packed: unpack it, a stick is changed as it is") }
            let stick = try ImageReader(file)
            return try stick.install(try ImageReader(image), isDryRun: isDryRun, progress: progress)
        } catch {
            throw .failed(error.exitStatus, error.description)
        }
    }

    // MARK: Checks

    private func checked(_ jobs: [StickJob]) throws(ProvisioningError) -> [CheckedJob] {
        var seen: [TargetIdentity: String] = [:]
        var refusals: [Refusal] = []
        let images = try image.identities()
        try checkSource(jobs)
        for job in jobs {
            let identity = try TargetIdentity(job.target)
            if images.contains(identity) {
                refusals.append(Refusal(.notAStick, subject: job.target, why: "it is the image itself", action: "name another file, or remove it first"))
            } else {
                try TargetCheck.note(job.target, identity, in: &seen)
            }
        }
        return try targets.all(jobs, refusing: refusals) { job, plugged throws(ProvisioningError) in try self.checked(job, plugged()) }
    }

    private func checked(_ job: StickJob, _ inventory: @autoclosure () -> StickInventory) throws(ProvisioningError) -> CheckedJob {
        let target = job.target
        let status = FileStatus(target)
        var device: BlockDevice?
        switch status?.kind {
        case .blockDevice?: device = try check(status?.device ?? "", target, job.expected, inventory())
        case .folder?, .characterDevice?, .other?:
            throw .refused([
                Refusal(
                    .notWholeDisk, subject: target, why: "it is neither a plain file nor a block device",
                    action: "choose a device from vsmp usb list")
            ])
        case .file?, nil: try checkReplaceable(target, status)
        }
        let needed = try job.personalisation.map { it throws(ProvisioningError) in try ConfigurationPartition.size(of: it) } ?? 0
        let layout = try StickLayout(
            image, available: device?.size, sectorSize: device?.sectorSize ?? image.partitionTable.sectorSize, needed: needed, target: target)
        let old = (status?.size ?? 0) > 0 || device != nil ? try? GUIDPartitionTable(try FileStore(reading: target)) : nil
        let former = old?.partition(named: ConfigurationPartition.name).map { $0.offset..<$0.offset + $0.size }
        let unfinished = device == nil ? nil : try? UnfinishedMark(on: FileStore(reading: target))
        let cleared = (former.map { [$0] } ?? []) + (unfinished?.secrets ?? [])
        return CheckedJob(
            job: job, layout: layout,
            plan: StickPlan(
                target: target, kind: device != nil ? .disk : status == nil ? .newFile : .file, model: device?.model, serial: device?.serial, port: device?.port,
                speed: device.flatMap { inventory().usb(behind: $0)?.device.speed }, image: image.name, bytes: layout.targetSize, configurationBytes: layout.configuration.size, kit: job.personalisation?.kit.id,
                node: job.personalisation?.node, replaced: old?.partitions.map(\.name) ?? []),
            cleared: device == nil ? [] : cleared + (image.stateBytes.map { [$0] } ?? []), number: device?.number)
    }

    /// An image may be another stick, of which no one must get the place in its kit, and which must be whole.
    private func checkSource(_ jobs: [StickJob]) throws(ProvisioningError) {
        let files = (try? image.volume(ConfigurationPartition.name)?.files()) ?? []
        guard files.contains(where: { StickFile(rawValue: $0.lowercased()) != nil }) else { return }
        guard jobs.allSatisfy({ $0.personalisation != nil }) else {
            let owner = WrittenStick(at: image.path)?.place.map { "it is \($0)" } ?? "it is a stick of a kit"
            throw .failed(.badInput, "\(image.name): \(owner), and no two sticks can have the same place: name --kit, and --node for one stick")
        }
        do throws(ImageError) { try ImageReader(image).verify() } catch { throw .failed(error.exitStatus, error.description) }
    }

    private var targets: TargetCheck { TargetCheck(root: root, rules: rules, permitted: permitted) }

    private func check(
        _ number: String, _ target: String, _ expected: BlockDevice.Identity?, _ inventory: StickInventory
    ) throws(ProvisioningError) -> BlockDevice {
        let imageDisks = image.source.map { source in
            // SAFETY: realpath returns a C string of its own, which is freed once it is copied.
            let path = unsafe realpath(source, nil).map { resolved in
                defer { unsafe free(resolved) }
                return unsafe String(cString: resolved)
            }
            return inventory.disks.disks(holding: FileStatus(source)?.fileSystem ?? "", path: path ?? source)
        }
        return try targets.disk(number, target, expected: expected, in: inventory, imageDisks: imageDisks ?? [])
    }

    /// A plain file is replaced only when nothing but a stick's content is lost.
    private func checkReplaceable(_ target: String, _ status: FileStatus?) throws(ProvisioningError) {
        guard let status, status.size > 0 else { return }
        if let file = try? FileStore(reading: target) {
            if (try? GUIDPartitionTable(file))?.partition(named: ConfigurationPartition.name) != nil { return }
            // An interrupted write leaves a cleared head.
            if let head = try? file.read(at: 0, count: min(status.size, 1 << 20)), head.isZero { return }
        }
        throw .refused([
            Refusal(
                .notAStick, subject: target, why: "it is a file and holds something else than a stick's image", action: "name another file, or remove it first")
        ])
    }

    // MARK: Writing

    private func write(
        _ checked: CheckedJob, _ shared: SharedImage, _ progress: @escaping (StickProgress) -> Void
    ) throws(ProvisioningError) -> StickReport {
        let (target, personalisation) = (checked.job.target, checked.job.personalisation)
        let contents = try StickContents(shared, checked.layout, personalisation: personalisation, cleared: checked.cleared)
        // A signal leaves no half of a new file, and of a stick, or the file of one, an empty head.
        let undo = checked.plan.kind == .newFile ? UndoEntry(target) : nil
        defer { undo?.forget() }
        var file = try opened(checked)
        let size = file.byteCount
        guard size == checked.layout.targetSize else {
            throw .refused([
                Refusal(
                    .changed, subject: target, why: "it was listed with \(checked.layout.targetSize) bytes and opened with \(size)",
                    action: "list the devices again (vsmp usb list)")
            ])
        }
        let isDisk = checked.plan.kind == .disk
        var random = SystemRandomNumberGenerator()
        let probe = isDisk ? CapacityProbe(size: size, using: &random) : nil
        let digest: String
        let transfer = targets.transfer(checked.number)
        do throws(DiskError) {
            digest = try StickTransfer(sectorSize: checked.layout.sectorSize, progress: progress).write(contents, to: &file, startsEmpty: !isDisk, probe: probe) { () throws(DiskError) in
                try FileStore(reading: target, direct: true)
            }
        } catch {
            throw transfer.failure(of: target, error, "plug it in and write it again; till then it is no stick")
        }
        return StickReport(
            target: target, image: image.name, bytes: contents.writtenSize, sha256: digest, kit: personalisation?.kit.id, node: personalisation?.node)
    }

    private func opened(_ checked: CheckedJob) throws(ProvisioningError) -> FileStore {
        let target = checked.job.target
        guard checked.plan.kind == .disk else {
            return try onDisk { () throws(DiskError) in try FileStore(creating: target, size: checked.layout.targetSize) }
        }
        let file = try onDisk { () throws(DiskError) in try FileStore(writingDevice: target, direct: true) }
        // Between the check and the opening the stick may have been pulled and another one plugged in.
        let identity = BlockDevice.Identity(size: checked.layout.targetSize, serial: checked.plan.serial, port: checked.plan.port)
        _ = try check(file.deviceNumber() ?? "", target, checked.job.expected ?? identity, targets.inventory())
        return file
    }
}

extension ImageFile {
    /// What must not be written while the image is read.
    func identities() throws(ProvisioningError) -> Set<TargetIdentity> { try source.map { source throws(ProvisioningError) in [try TargetIdentity(source)] } ?? [] }

    /// The partition with what a node remembers, of an image that is a stick.
    var stateBytes: Range<Int>? {
        partitionTable.partition(named: StickPartition.state.rawValue).map { $0.offset..<$0.offset + $0.size }
    }
}
