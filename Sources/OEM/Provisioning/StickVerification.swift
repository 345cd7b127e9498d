internal import BoardSupport
internal import Bytes
public import Contract
internal import Crypto
internal import Disk
public import FirmwareImage
internal import Platform

/// Reads sticks back, from the medium, and compares them with what `vsmp usb write` would write, as far as use leaves that as it was. Nothing is written.
public struct StickVerification: Sendable {
    /// One stick, and what its personalisation is held against.
    public struct Job: Sendable {
        /// A whole disk, or the plain file of a stick.
        public var target: String
        public var kit: Kit?
        /// Whose stick it must be; nil takes the stick's own word.
        public var node: NodeIndex?
        /// What node 0 must start; nil compares no guest.
        public var guest: StickPersonalisation.GuestPayload?

        public init(_ target: String, kit: Kit? = nil, node: NodeIndex? = nil, guest: StickPersonalisation.GuestPayload? = nil) {
            self.target = target
            self.kit = kit
            self.node = node
            self.guest = guest
        }
    }

    public struct Report: Sendable, Equatable, Encodable {
        public var target: String
        /// Bytes that are used and were read from the medium.
        public var bytes: Int
        /// Whether every byte of boot code, partition table and boot partition is the one that was written; else the stick was used or changed since.
        public var isAsWritten = false
        /// What is not as it must be; empty for a stick that is right.
        public var differences: [StickDifference] = []
        /// What may be so, and should be known.
        public var notes: [String] = []
        /// What the stick says.
        public var kit: String?
        public var node: NodeIndex?
    }

    private let image: ImageReader

    /// - Throws: when the image itself is damaged.
    public init(image: ImageFile) throws(ProvisioningError) {
        self.image = try inImage { () throws(ImageError) in
            let reader = try ImageReader(image)
            try reader.verify()
            return reader
        }
    }

    /// Compares all sticks at once.
    ///
    /// - Parameter progress: called with a target after each few MiB of it; one call at a time.
    /// - Returns: in the order of the jobs, a report, or why the stick could not be read.
    public func verify(
        _ jobs: [Job], progress: @escaping @Sendable (String, StickProgress) -> Void = { _, _ in }
    ) -> [Result<Report, ProvisioningError>] {
        var results = SticksAtOnce.run(jobs.map(\.target), progress: progress, finished: { _, _ in }) { (index, progress) throws(ProvisioningError) in
            try verify(jobs[index], progress)
        }
        var owners: [String: String] = [:]
        for index in results.indices {
            guard case .success(var report) = results[index], let kit = report.kit, let node = report.node,
                let other = owners.updateValue(report.target, forKey: "\(kit)/\(node)")
            else { continue }
            report.differ("\(ConfigurationPartition.name)/\(StickFile.machineConfiguration.rawValue)", "it is the stick of node \(node), and so is \(other)")
            results[index] = .success(report)
        }
        return results
    }

    private func verify(_ job: Job, _ progress: (StickProgress) -> Void) throws(ProvisioningError) -> Report {
        let target = job.target
        guard let status = FileStatus(target) else { throw .failed(.missingInput, "there is no stick \(target); vsmp usb list shows those there are") }
        let store = try onDisk { () throws(DiskError) in try FileStore(reading: target, direct: true) }
        var report = Report(target: target, bytes: 0)
        let table: GUIDPartitionTable
        do throws(GUIDPartitionTable.ReadError) { table = try GUIDPartitionTable(store) } catch {
            report.differ("partition table", "\(error): write the stick anew")
            return report
        }
        let transfer = DiskTransfer(status.kind == .blockDevice ? status.device : nil)
        do throws(DiskError) { report.bytes = try read(store, progress) } catch {
            throw transfer.failure(of: target, error, "plug it in and verify it again")
        }
        // Everything that is used can be read: what fails from here on is not as it must be.
        let stick = try inImage { () throws(ImageError) in try ImageFile(target, direct: true) }
        try compareEnds(of: store, table, &report)
        let comparison = try inImage { () throws(ImageError) in try StickComparison(of: stick, with: image) }
        report.differences += comparison.differences
        report.notes += comparison.notes
        ConfigurationComparison(job).compare(stick, &report)
        return report
    }

    /// Reads all that is used.
    private func read(_ store: borrowing FileStore, _ progress: (StickProgress) -> Void) throws(DiskError) -> Int {
        let map = try BlockMap(meaningOf: store)
        var done = 0
        for range in map.ranges {
            for offset in stride(from: range.lowerBound, to: range.upperBound, by: FileStore.chunk) {
                let count = min(FileStore.chunk, range.upperBound - offset)
                _ = try store.read(at: offset, count: count)
                done += count
                progress(StickProgress(phase: .verifying, bytesDone: done, bytesTotal: map.mappedBytes))
            }
        }
        return map.mappedBytes
    }

    /// Both copies of the partition table, the protective record, and the room before the first partition. Identifiers in the table are those of the
    /// image that the stick was written from, which may be an earlier one.
    private func compareEnds(of store: borrowing FileStore, _ table: GUIDPartitionTable, _ report: inout Report) throws(ProvisioningError) {
        let layout: StickLayout
        do throws(ProvisioningError) {
            layout = try StickLayout(
                image.image, available: store.byteCount, sectorSize: table.sectorSize, needed: table.partition(named: ConfigurationPartition.name)?.size ?? 0,
                target: report.target)
        } catch {
            return report.differ("size", error.description)
        }
        let (primary, backup) = table.pieces(forDiskSize: store.byteCount)
        let end = primary.offset + primary.bytes.count
        let (head, tail) = try onDisk { () throws(DiskError) in
            (try store.read(at: 0, count: layout.head.count), try store.read(at: backup.offset, count: backup.bytes.count))
        }
        if let damage = table.damage { report.differ("partition table", "\(damage): mend it with vsmp usb repair") }
        if table.damage == nil, head[primary.offset..<end] != primary.bytes[...] || tail != backup.bytes {
            report.differ("partition table", "it is not fitted to this stick: write the stick anew")
        }
        let expected = image.partitionTable.partitions
        if table.partitions.count != expected.count || !zip(table.partitions, expected).allSatisfy({ $0.agrees(with: $1) }) {
            report.differ("partition table", "its partitions are not the image's")
        }
        let parts = [("protective record", 440..<512, "it is another one"), ("before the first partition", end..<head.count, "there is something")]
        for (place, bytes, words) in parts where head[bytes] != layout.head[bytes] { report.differ(place, words) }
        report.isAsWritten = head == layout.head && tail == layout.tail.bytes && isAsWritten(store)
    }

    /// Whether what lies between the ends, without what the node and the kit write, is the image's byte for byte.
    private func isAsWritten(_ store: borrowing FileStore) -> Bool {
        guard let source = try? FileStore(reading: image.image.path), let map = try? BlockMap(of: source) else { return false }
        for name in [StickPartition.bios, .boot] {
            guard let partition = image.partitionTable.partition(named: name.rawValue) else { continue }
            for range in map.ranges(within: partition.offset..<partition.offset + partition.size) {
                for offset in stride(from: range.lowerBound, to: range.upperBound, by: FileStore.chunk) {
                    let count = min(FileStore.chunk, range.upperBound - offset)
                    guard let bytes = try? store.read(at: offset, count: count), bytes == (try? source.read(at: offset, count: count)) else { return false }
                }
            }
        }
        return true
    }
}

extension StickVerification.Report {
    mutating func differ(_ place: String, _ found: String) { differences.append(StickDifference(place, found)) }
}

/// Gives what an image reports as this room's error.
private func inImage<Value>(_ body: () throws(ImageError) -> Value) throws(ProvisioningError) -> Value {
    do throws(ImageError) { return try body() } catch { throw .failed(error.exitStatus, error.description) }
}

extension GUIDPartitionTable.Partition {
    /// The same partition; the last one may have got more room.
    fileprivate func agrees(with other: Self) -> Bool {
        number == other.number && type == other.type && name == other.name && offset == other.offset
            && (name == ConfigurationPartition.name ? size >= other.size : size == other.size)
    }
}
