public import FirmwareImage
internal import Foundation
internal import Glibc
internal import Platform
private import USB

/// What the log says is read once, before the work: a stick that was pulled says nothing any more.
extension FactoryEntry.Who {
    /// Whoever runs this program.
    public static func here(station: StationFile?) -> Self {
        let uid = getuid()
        return Self(
            user: NSUserName(), uid: uid, sudoUser: uid == 0 ? ProcessInfo.processInfo.environment["SUDO_USER"] : nil,
            host: SystemFiles().line("/proc/sys/kernel/hostname") ?? "", station: station?.station)
    }
}

extension FactoryEntry.Image {
    /// - Throws: ``ImageError`` where the image cannot be read to its end.
    public init(_ image: ImageReader) throws(ImageError) {
        let manifest = image.manifest
        self.init(
            name: image.name, sha256: try ContentDigest(ofFile: URL(fileURLWithPath: image.image.path)).description, firmware: manifest.firmwareHash,
            version: manifest.version, brand: manifest.brand, board: manifest.board)
    }
}

extension FactoryEntry.Kit {
    public init(_ personalisation: StickPersonalisation) {
        self.init(id: personalisation.kit.id, node: personalisation.node, nodes: personalisation.kit.nodes)
    }
}

extension FactoryEntry.Stick {
    /// - Parameter inventory: what is plugged in; asked only for a device.
    public init(_ target: String, _ inventory: @autoclosure () -> StickInventory, station: StationFile?) {
        self.init(target: target)
        guard let status = FileStatus(target) else { return }
        guard status.kind == .blockDevice else {
            size = status.size
            return
        }
        let inventory = inventory()
        guard let disk = inventory.disks.device(number: status.device)?.device else { return }
        self.disk = disk.path
        let device = inventory.usb(behind: disk)?.device
        port = device?.port ?? disk.port
        slot = port.flatMap { station?.slot(at: $0) }?.label
        identifier = device?.identifier
        serial = device?.names.serial ?? disk.serial
        size = disk.size
        model = disk.model ?? device?.names.product
    }
}
