internal import Contract
import Bytes
internal import Platform
import BoardSupport
import Glibc
import Interconnect
import Licensing
import Node
import TrustedPlatform

/// What the image, the stick and the hardware say for the licence check. The image's part is at one fixed place, and the hardware's is measured: no
/// option, variable or file of the stick changes either.
struct LicenceFacts {
    /// Where the image keeps what it says of itself.
    static let imageFolder = "/" + ImageFact.folder

    var standing: NodeLicensing.Standing
    var record: BoardRecord
    var threads: Int
    /// Year 1970 for an image that does not say when it was built.
    var imageBuilt: UTCTimeStamp

    /// - Parameters:
    ///   - image: folder with `purpose`, `licence-root` and `built`.
    ///   - stick: folder with `license.vsl` and `deny.vsl`.
    ///   - endorsementKey: digest of the TPM's endorsement key; nil without one.
    ///   - root: in front of /sys, for tests.
    init(image: String, stick: String, inventory: HardwareInventory, endorsementKey: [UInt8]?, root: String = "") {
        imageBuilt = readFact(.built, in: image).flatMap { UTCTimeStamp($0) } ?? .first
        standing = Self.standing(image: image, stick: stick)
        record = Self.record(inventory, endorsementKey: endorsementKey, root: root)
        threads = max(1, inventory.threads)
    }

    /// The TPM's identity, which only a release image asks for: some chips take seconds. Nil without a TPM 2.0.
    static func endorsementKey() -> [UInt8]? {
        guard !isDevelopment(imageFolder) else { return nil }
        do throws(TPMError) {
            guard let channel = try DeviceChannel.open(DeviceChannel.devices) else { return nil }
            var module = TrustedPlatformModule(channel)
            return try module.endorsementKeyDigest()
        } catch {
            NodeProgram.report("the TPM does not say who it is: \(error)")
            return nil
        }
    }

    /// Only an image that says so is a development image.
    private static func isDevelopment(_ image: String) -> Bool { readFact(.purpose, in: image) == ImagePurpose.development.rawValue }

    private static func standing(image: String, stick: String) -> NodeLicensing.Standing {
        if isDevelopment(image) { return .development }
        var trusted = DocumentSet()
        var held = DocumentSet()
        do throws(LicensingError) {
            try read(ImageFact.licenceRoot.path(in: image), into: &trusted)
            try read(StickFile.licence.path(in: stick), into: &held)
            try read(StickFile.denyList.path(in: stick), into: &held)
        } catch {
            return .refused(LicenceRefusal(.damaged(error)))
        }
        guard var authority = Authority(ofImage: trusted) else { return .refused(LicenceRefusal(.noRoot())) }
        authority.learn(held)
        return .release(held, authority)
    }

    private static func read(_ path: String, into documents: inout DocumentSet) throws(LicensingError) {
        if let bytes = readFile(path) { try documents.read(bytes, place: path) }
    }

    private static func record(_ inventory: HardwareInventory, endorsementKey: [UInt8]?, root: String) -> BoardRecord {
        let files = SystemFiles(root: root)
        let dmi = "/sys/class/dmi/id"
        let stick = StickIdentity(files)
        return BoardRecord(
            sockets: max(1, inventory.sockets), cores: max(1, inventory.cores), memoryMiB: max(1, inventory.memoryMiB),
            model: BoardRecord.model(manufacturer: inventory.identity.systemManufacturer, product: inventory.identity.systemProduct),
            board: .board(systemUUID: files.line(dmi + "/product_uuid"), serialNumber: files.line(dmi + "/board_serial")),
            tpm: endorsementKey.map { .tpm(endorsementKeyDigest: $0) },
            stick: stick.flatMap { .stick(size: $0.size, serialNumber: $0.serialNumber) })
    }

    /// - Parameter clock: seconds since 1970, as the board has them.
    func licensing(
        interconnect: InterconnectKind, choosesPolicies: Bool, marks: LicenceMarks, clock: @escaping @Sendable () -> Int = { time(nil) },
        accepted: @escaping @Sendable (LicenceMarks) -> Void, learned: @escaping @Sendable (DenyListRank) -> Void = { _ in }
    ) -> NodeLicensing {
        NodeLicensing(
            standing: standing, record: record, threads: threads, interconnect: interconnect, choosesPolicies: choosesPolicies, marks: marks,
            clock: { [imageBuilt] in
                LicenceClock(now: UTCTimeStamp(seconds: clock()) ?? .first, imageBuilt: imageBuilt, highWater: marks.highWater)
            },
            accepted: accepted, learned: learned)
    }

    /// This board's own request, armoured, for its console.
    func request() throws(LicensingError) -> String {
        let now = max(UTCTimeStamp(seconds: time(nil)) ?? imageBuilt, imageBuilt)
        return try LicenceRequest(made: now, customer: nil, replaces: nil, boards: [record]).envelope.armoured
    }
}

/// The disk that holds the partition VSMP-CONFIG: bytes and serial number, as `vsmp usb list` shows them on a workstation.
struct StickIdentity: Equatable {
    var size: Int
    var serialNumber: String?

    /// Nil when no disk, or more than one, has such a partition.
    init?(_ files: SystemFiles) {
        // The USB device is above the disk.
        guard var above = OwnStick(files)?.disk, let sectors = files.number("/sys/\(above.joined(separator: "/"))/size") else { return nil }
        size = sectors * 512
        while above.count > 2 {
            let path = "/sys/\(above.joined(separator: "/"))"
            if let serial = files.line(path + "/serial") ?? files.line(path + "/device/serial") {
                serialNumber = serial
                return
            }
            above.removeLast()
        }
    }
}

/// What wire leads to the other nodes, whatever carries the pages on it: RoCE is Ethernet. ARPHRD_INFINIBAND is 32 (linux/if_arp.h).
func interconnectKind(_ reach: Reach, _ files: SystemFiles = SystemFiles()) -> InterconnectKind {
    guard case .discovery(let interface, _) = reach, files.number("/sys/class/net/\(interface)/type") == 32 else { return .ethernet }
    return .infiniband
}
