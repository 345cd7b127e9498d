public import Contract
package import Platform
public import USB

/// What is in the slots of a station. Looks at ports and names only, and reads from no disk, so that it may be asked while sticks are written.
public struct SlotInventory: Sendable {
    public struct Occupant: Sendable, Equatable {
        /// The device's number on its bus: another one each time that something is plugged in.
        public var address: UInt8
        /// Such as `/dev/sdb`; none while the kernel has not looked yet, several for a card reader.
        public var disks: [String]
        public var speed: USBDevice.Speed?
        /// Bytes of the one disk; 0 without a medium.
        public var size: Int

        /// Whether it is one disk with a medium.
        public var isStick: Bool { disks.count == 1 && size > 0 }
    }

    private let occupants: [USBDevice.Port: Occupant]

    public init() throws(USBError) { self.init(USBDisks.join(try USBContext().devices(names: false), SystemFiles()), SystemFiles()) }

    package init(_ devices: [USBDisks], _ files: SystemFiles) {
        var occupants: [USBDevice.Port: Occupant] = [:]
        for usb in devices {
            let sectors = usb.disks.count == 1 ? files.number("/sys/block/\(usb.disks[0])/size") ?? 0 : 0
            occupants[usb.device.port] = Occupant(
                address: usb.device.address, disks: usb.disks.map { "/dev/" + $0 }, speed: usb.device.speed, size: max(0, sectors) * 512)
        }
        self.occupants = occupants
    }

    public func occupant(of port: USBDevice.Port) -> Occupant? { occupants[port] }
}

/// Kits whose sticks are in the slots of a station, in their order: the first kit's in the first slots.
public struct SlotAssignment: Sendable {
    public struct Place: Sendable, Equatable {
        public var target: String
        public var slot: StationFile.Slot
        /// Which of the kits, from 0.
        public var kit: Int
        public var node: NodeIndex
    }

    /// In the order of the slots.
    public let places: [Place]

    /// - Throws: `unavailable` with everything that is not at its place: an empty slot, a stick where none belongs, a slot with more than one disk.
    public init(_ kits: [Kit], _ station: StationFile, _ inventory: SlotInventory) throws(ProvisioningError) {
        let wanted = kits.enumerated().flatMap { kit, value in NodeIndex.all(of: value.nodes).map { (kit: kit, node: $0) } }
        guard wanted.count <= station.slots.count else {
            throw .failed(.unavailable, "\(station.station) has \(station.slots.count) slots, and the kits have \(wanted.count) sticks: name fewer kits, or use vsmp usb station")
        }
        var places: [Place] = []
        var problems: [String] = []
        for (index, slot) in station.slots.enumerated() {
            let name = "slot \(slot.label) (port \(slot.port))"
            let occupant = inventory.occupant(of: slot.port)
            guard index < wanted.count else {
                if occupant != nil { problems.append("\(name) has a stick that belongs to no kit here: pull it, or name another --kit") }
                continue
            }
            let (kit, node) = wanted[index]
            let stick = "stick \(node.position + 1) of \(kits[kit].nodes) of \(kits[kit].id)"
            switch occupant {
            case nil: problems.append("\(name) is empty: plug in \(stick)")
            case let occupant? where occupant.disks.count > 1: problems.append("\(name) has a device of \(occupant.disks.count) disks: plug in one stick")
            case let occupant? where !occupant.isStick:
                problems.append("\(name) has a device without a disk: wait a moment, or plug in another stick")
            case let occupant?: places.append(Place(target: occupant.disks[0], slot: slot, kit: kit, node: node))
            }
        }
        guard problems.isEmpty else { throw .failed(.unavailable, problems.joined(separator: "\n")) }
        self.places = places
    }
}
