internal import BoardSupport
public import Contract
internal import Disk
internal import Platform
public import USB

/// Takes from sticks what makes them sticks of a kit: the partition VSMP-CONFIG with the cluster key, and both ends with boot code and partition table.
public struct StickWipe: Sendable {
    /// One stick that is to be wiped.
    public struct Job: Sendable {
        /// A whole removable disk, or the plain file of a stick.
        public var target: String
        /// The disk's identity when it was listed.
        public var expected: BlockDevice.Identity?

        public init(_ target: String, expected: BlockDevice.Identity? = nil) {
            self.target = target
            self.expected = expected
        }
    }

    /// What wiping a stick will do.
    public struct Plan: Sendable, Equatable, Codable {
        public var target: String
        public var isDisk: Bool
        public var model: String?
        public var serial: String?
        public var port: USBDevice.Port?
        /// Bytes that are cleared, of those of the medium.
        public var bytes: Int
        public var size: Int
        /// What it says that it is; nil where it cannot be read.
        public var stick: WrittenStick?
    }

    /// What was cleared and read back as zeros.
    public struct Report: Sendable, Equatable, Codable {
        public var target: String
        public var bytes: Int
        public var kit: String?
        public var node: NodeIndex?
    }

    private struct CheckedJob {
        let job: Job
        let plan: Plan
        /// In the order in which they are cleared.
        let ranges: [Range<Int>]
        /// `major:minor` of a disk.
        let number: String?
    }

    private let isWhole: Bool
    private let targets: TargetCheck

    /// - Parameters:
    ///   - isWhole: clear the whole medium, whatever is on it.
    ///   - rules: which ports and makers are allowed; all of them must allow a stick.
    public init(isWhole: Bool = false, rules: [PortRules] = []) { self.init(isWhole: isWhole, rules: rules, permitting: []) }

    /// - Parameters:
    ///   - root: prefix of /sys and /proc for the safety check.
    ///   - permitting: rules that do not count, for loop devices in tests.
    package init(isWhole: Bool = false, root: String = "", rules: [PortRules] = [], permitting: Set<Refusal.Rule>) {
        self.isWhole = isWhole
        targets = TargetCheck(root: root, rules: rules, permitted: permitting)
    }

    /// Checks all jobs as far as that can be done before anything is written, and says what each will do.
    ///
    /// - Throws: every refusal of every target; a target that is named twice, whatever its names are.
    public func check(_ jobs: [Job]) throws(ProvisioningError) -> [Plan] { try checked(jobs).map(\.plan) }

    /// Wipes all sticks at once and reads each back. Nothing is written unless all jobs may be done; from then on each stick has its own outcome.
    ///
    /// - Parameters:
    ///   - progress: called with a target after each few MiB of it; one call at a time.
    ///   - finished: called with a target and its outcome as soon as it has one; one call at a time.
    /// - Returns: the outcomes in the order of the jobs.
    @discardableResult
    public func wipe(
        _ jobs: [Job], progress: @escaping @Sendable (String, StickProgress) -> Void = { _, _ in },
        finished: @escaping @Sendable (String, Result<Report, ProvisioningError>) -> Void = { _, _ in }
    ) throws(ProvisioningError) -> [Result<Report, ProvisioningError>] {
        let checked = try checked(jobs)
        return SticksAtOnce.run(jobs.map(\.target), progress: progress, finished: { finished(jobs[$0].target, $1) }) {
            (index, progress) throws(ProvisioningError) in try wipe(checked[index], progress)
        }
    }

    // MARK: Checks

    private func checked(_ jobs: [Job]) throws(ProvisioningError) -> [CheckedJob] {
        var seen: [TargetIdentity: String] = [:]
        for job in jobs {
            guard FileStatus(job.target) != nil else { throw .failed(.missingInput, "there is no stick \(job.target); vsmp usb list shows those there are") }
            try TargetCheck.note(job.target, TargetIdentity(job.target), in: &seen)
        }
        return try targets.all(jobs) { job, plugged throws(ProvisioningError) in try self.checked(job, plugged()) }
    }

    private func checked(_ job: Job, _ inventory: @autoclosure () -> StickInventory) throws(ProvisioningError) -> CheckedJob {
        let target = job.target
        let status = FileStatus(target)
        var device: BlockDevice?
        switch status?.kind {
        case .blockDevice?: device = try targets.disk(status?.device ?? "", target, expected: job.expected, in: inventory())
        case .file?: break
        default:
            throw .refused([
                Refusal(.notWholeDisk, subject: target, why: "it is neither a plain file nor a block device", action: "choose a device from vsmp usb list")
            ])
        }
        let store = try onDisk { () throws(DiskError) in try FileStore(reading: target, direct: true) }
        let ranges = try ranges(of: store, target, isDisk: device != nil)
        return CheckedJob(
            job: job,
            plan: Plan(
                target: target, isDisk: device != nil, model: device?.model, serial: device?.serial, port: device?.port,
                bytes: isWhole ? store.byteCount : ranges.reduce(0) { $0 + $1.count }, size: store.byteCount, stick: WrittenStick(at: target)),
            ranges: ranges, number: device?.number)
    }

    /// The secrets first: as long as the ends are there, a stick whose wiping was cut off can be wiped again.
    private func ranges(of store: borrowing FileStore, _ target: String, isDisk: Bool) throws(ProvisioningError) -> [Range<Int>] {
        let table = try? GUIDPartitionTable(store)
        let size = store.byteCount
        guard let table, let configuration = table.partition(named: ConfigurationPartition.name), let start = table.partitions.map(\.offset).min() else {
            let isEmpty = (try? store.read(at: 0, count: min(size, StickTransfer.firstBlock)))?.isZero == true
            guard isWhole, isDisk || isEmpty else {
                let why = isEmpty ? "its first block is empty, so nobody knows where a stick's secrets may lie" : "it holds no stick of vSMP"
                throw .refused([Refusal(.notAStick, subject: target, why: why, action: isDisk || isEmpty ? "clear all of it with --whole" : "name a stick")])
            }
            return [0..<size]
        }
        let secrets = configuration.offset..<min(size, configuration.offset + configuration.size)
        // The backup of a table that was made for a smaller disk ends before the medium does, and what is there means nothing.
        let tail = max(secrets.upperBound, size - max(table.backupSize, 6 * 4096))..<size
        return isWhole ? [secrets, 0..<secrets.lowerBound, secrets.upperBound..<size] : [secrets, tail, 0..<start]
    }

    // MARK: Wiping

    private func wipe(_ checked: CheckedJob, _ progress: (StickProgress) -> Void) throws(ProvisioningError) -> Report {
        let (target, plan) = (checked.job.target, checked.plan)
        var store = try opened(checked)
        guard store.byteCount == plan.size else {
            throw .refused([
                Refusal(
                    .changed, subject: target, why: "it was listed with \(plan.size) bytes and opened with \(store.byteCount)",
                    action: "list the devices again (vsmp usb list)")
            ])
        }
        let transfer = targets.transfer(checked.number)
        do throws(DiskError) { try clear(checked.ranges, of: &store, target, progress) } catch {
            throw transfer.failure(of: target, error, "it may hold its key still; plug it in and wipe it again")
        }
        return Report(target: target, bytes: plan.bytes, kit: plan.stick?.kit, node: plan.stick?.node)
    }

    private func opened(_ checked: CheckedJob) throws(ProvisioningError) -> FileStore {
        let target = checked.job.target
        guard checked.plan.isDisk else { return try onDisk { () throws(DiskError) in try FileStore(changing: target) } }
        let file = try onDisk { () throws(DiskError) in try FileStore(writingDevice: target, direct: true) }
        // Between the check and the opening the stick may have been pulled and another one plugged in.
        let identity = BlockDevice.Identity(size: checked.plan.size, serial: checked.plan.serial, port: checked.plan.port)
        _ = try targets.disk(file.deviceNumber() ?? "", target, expected: checked.job.expected ?? identity, in: targets.inventory())
        return file
    }

    private func clear(_ ranges: [Range<Int>], of store: inout FileStore, _ target: String, _ progress: (StickProgress) -> Void) throws(DiskError) {
        let total = ranges.reduce(0) { $0 + $1.count }
        let zeros = [UInt8](repeating: 0, count: FileStore.chunk)
        var failure: DiskError?
        func each(_ phase: StickProgress.Phase, _ body: (_ offset: Int, _ count: Int) throws(DiskError) -> Void) {
            var done = 0
            for range in ranges {
                for offset in stride(from: range.lowerBound, to: range.upperBound, by: FileStore.chunk) {
                    let count = min(FileStore.chunk, range.upperBound - offset)
                    // A bad sector keeps nothing behind it from being cleared.
                    do throws(DiskError) { try body(offset, count) } catch { failure = failure ?? error }
                    done += count
                    progress(StickProgress(phase: phase, bytesDone: done, bytesTotal: total))
                }
            }
        }
        each(.writing) { offset, count throws(DiskError) in try store.write(count == zeros.count ? zeros : Array(zeros[..<count]), at: offset) }
        try store.flush()
        let reader = try FileStore(reading: target, direct: true)
        each(.verifying) { offset, count throws(DiskError) in
            guard try reader.read(at: offset, count: count).isZero else {
                throw DiskError(.wrongBytes, "\(target) returned other bytes than zeros between \(offset) and \(offset + count)")
            }
        }
        guard let failure else { return }
        throw DiskError(failure.exitStatus, "\(failure.description); the rest was cleared, what is there may be read still: destroy the stick")
    }
}
