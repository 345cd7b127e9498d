internal import Contract
internal import Disk
internal import FirmwareImage
internal import Platform

/// Makes both copies of a stick's partition table whole again, from the one that can be read.
public struct StickRepair: Sendable {
    private let targets: TargetCheck

    /// - Parameter rules: which ports and makers are allowed; all of them must allow a stick.
    public init(rules: [PortRules] = []) { self.init(rules: rules, permitting: []) }

    /// - Parameter permitting: rules that do not count, for loop devices in tests.
    package init(rules: [PortRules] = [], permitting: Set<Refusal.Rule>) { targets = TargetCheck(root: "", rules: rules, permitted: permitting) }

    /// What was found and done.
    public struct Report: Sendable, Equatable, Encodable {
        public var target: String
        /// What was wrong with the partition table; nil when both copies are whole.
        public var damage: String?
        /// Whether the boot code for BIOS, which has no second copy, is what the firmware was built with.
        public var startsOnBIOS: Bool
    }

    /// - Parameters:
    ///   - target: a whole removable disk, or the plain file of a stick or image.
    ///   - isDryRun: look and change nothing.
    public func repair(_ target: String, isDryRun: Bool = false) throws(ProvisioningError) -> Report {
        guard let status = FileStatus(target) else { throw .failed(.missingInput, "there is no stick \(target); vsmp usb list shows those there are") }
        if status.kind == .blockDevice { _ = try targets.disk(status.device, target, expected: nil, in: targets.inventory()) }
        var store = try onDisk { () throws(DiskError) in
            if status.kind == .blockDevice { return try FileStore(writingDevice: target) }
            return isDryRun ? try FileStore(reading: target) : try FileStore(changing: target)
        }
        let table: GUIDPartitionTable
        do throws(GUIDPartitionTable.ReadError) { table = try GUIDPartitionTable(store) } catch {
            throw .failed(.badInput, "\(target): both copies of its partition table are damaged (\(error)): write the stick anew")
        }
        guard table.partition(named: ConfigurationPartition.name) != nil else {
            throw .failed(.badInput, "\(target) is no stick of vSMP: it has no partition \(ConfigurationPartition.name)")
        }
        if table.damage != nil, !isDryRun {
            let transfer = targets.transfer(status.kind == .blockDevice ? status.device : nil)
            do throws(DiskError) { try table.repair(&store) } catch { throw transfer.failure(of: target, error, "plug it in and repair it again") }
            guard let again = try? GUIDPartitionTable(store), again.damage == nil, again.partitions == table.partitions else {
                throw .failed(.wrongBytes, "\(target) returned another partition table than was written: try again, and replace the stick if this repeats")
            }
        }
        return Report(target: target, damage: table.damage?.description, startsOnBIOS: startsOnBIOS(target))
    }

    private func startsOnBIOS(_ target: String) -> Bool {
        guard let stick = try? ImageReader(try ImageFile(target)) else { return false }
        return ((try? stick.knownLoaders()) ?? nil) != nil
    }
}
