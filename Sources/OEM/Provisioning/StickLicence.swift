public import Bytes
import Platform
internal import Contract
internal import BoardSupport
internal import Disk
internal import FirmwareImage
internal import Foundation
internal import Licensing

/// A licence, and a deny-list, for sticks that are written already: files of the partition VSMP-CONFIG.
public struct StickLicence: Sendable {
    /// Names on the stick.
    public static let licenceFile = StickFile.licence.rawValue
    public static let denyListFile = StickFile.denyList.rawValue

    /// Id of the licence.
    public let id: String
    private let documents: DocumentSet
    private let denyLists: [DenyList]
    private let files: [(name: String, bytes: [UInt8])]

    /// - Throws: ``LicensingError`` for damaged files, ``LicenceRefusal`` where there is not one licence in them.
    public init(licence: [UInt8], denyList: [UInt8]? = nil) throws {
        var documents = DocumentSet()
        try documents.read(licence, place: Self.licenceFile)
        var beside = DocumentSet()
        if let denyList {
            try beside.read(denyList, place: Self.denyListFile)
            try documents.read(denyList, place: Self.denyListFile)
            guard beside.denyLists.count == 1 else {
                throw ProvisioningError.failed(.badInput, "the deny list's file holds \(beside.denyLists.count) deny lists; one is expected")
            }
        }
        denyLists = beside.denyLists
        guard documents.licences.count == 1 else {
            throw ProvisioningError.failed(.badInput, "the licence file holds \(documents.licences.count) licences; one is expected")
        }
        id = documents.licences[0].id
        self.documents = documents
        files = [(Self.licenceFile, licence)] + (denyList.map { [(Self.denyListFile, $0)] } ?? [])
    }

    /// Whether the stick is a personalised one, may be changed, and its boards would start with the licence. A deny list must be one that the boards
    /// will follow: neither a stranger's nor an older one than they have.
    /// - Parameter now: when the boards start.
    /// - Throws: ``LicenceRefusal`` with the boards' reasons, ``LicensingError`` and ``ProvisioningError`` for what cannot be read.
    public func check(stick: String, at now: UTCTimeStamp) throws {
        let volume = try volume(of: stick)
        let trust: ImageTrust
        do {
            trust = try ImageTrust(try ImageReader(URL(fileURLWithPath: stick)))
        } catch let error as ImageError {
            throw ProvisioningError.failed(error.exitStatus, error.description)
        }
        var known = DocumentSet()
        if let old = try onDisk({ () throws(DiskError) in try volume.read(Self.denyListFile) }) {
            do throws(LicensingError) { try known.read(old, place: "\(stick): \(Self.denyListFile)") } catch {
                // A new one takes a damaged one's place.
                guard !denyLists.isEmpty else { throw error }
            }
        }
        let authority = try trust.authority(learning: [documents, known])
        guard denyLists.allSatisfy({ $0 == authority.denyList }) else {
            throw ProvisioningError.failed(
                .badInput, "\(stick): its boards will not follow this deny list: no root that they trust has signed it, or they have a newer one")
        }
        try trust.evaluation(documents, authority, count: try machine(of: volume, stick).nodes, at: now).check()
    }

    /// Writes the files; each takes its place only when it is whole, and is read back.
    public func install(on stick: String) throws(ProvisioningError) {
        let volume = try volume(of: stick)
        try onDisk { () throws(DiskError) in
            for (name, bytes) in files {
                let new = name.replacing(".vsl", with: ".new")
                try volume.put(new, .bytes(bytes))
                if try volume.read(name) != nil { try volume.remove(name) }
                try volume.rename(new, to: name)
                try volume.flush()
                try volume.check(name, is: bytes[...])
            }
        }
    }

    private func machine(of volume: FATVolume, _ stick: String) throws(ProvisioningError) -> MachineConfiguration {
        let bytes = try onDisk { () throws(DiskError) in try volume.read(StickFile.machineConfiguration.rawValue) } ?? []
        do throws(TextError) { return try MachineConfiguration(bytes, place: "\(stick): \(StickFile.machineConfiguration.rawValue)") } catch {
            throw .failed(.badInput, error.description)
        }
    }

    /// The configuration partition of a stick that belongs to a machine and may be changed.
    private func volume(of stick: String) throws(ProvisioningError) -> FATVolume {
        guard let status = FileStatus(stick) else { throw .failed(.missingInput, "there is no stick \(stick); vsmp usb list shows those there are") }
        if status.kind == .blockDevice {
            let check = SafetyCheck(StickInventory())
            let refusals = check.refusals(for: try check.disk(number: status.device, path: stick))
            guard refusals.isEmpty else { throw .refused(refusals) }
        }
        let store = try onDisk { () throws(DiskError) in try FileStore(reading: stick) }
        guard let partition = (try? GUIDPartitionTable(store))?.partition(named: ConfigurationPartition.name) else {
            throw .failed(.badInput, "\(stick) is no stick of vSMP: it has no partition \(ConfigurationPartition.name)")
        }
        let volume = FATVolume(partition, of: stick)
        guard (try? volume.read(StickFile.machineConfiguration.rawValue)) ?? nil != nil else {
            throw .failed(.badInput, "\(stick) belongs to no machine: write it with vsmp usb write --kit")
        }
        return volume
    }
}
