package import Contract

/// Which device answers to an address, and on which node it stands: the same on every node, derived from the plan's
/// devices. Addresses that no device claims read all ones and take writes without effect.
package struct AddressMap: Sendable, Equatable {
    /// The register that an access reaches.
    package struct Target: Sendable, Equatable {
        /// Position in the plan's list of devices.
        package var device: Int
        package var node: NodeIndex
        package var register: DeviceRegister
        package var isPosted: Bool
    }

    private struct Entry: Sendable, Equatable {
        var base: UInt64
        /// Last address of the block.
        var last: UInt64
        var device: Int
        var node: NodeIndex
        var offset: UInt64
        var isPosted: Bool
    }

    package static let deviceLimit = 64
    package static let blockLimit = 16

    package let devices: [PlacedDevice]
    /// Ascending, one list a space.
    private var ports: [Entry] = []
    private var memory: [Entry] = []
    private var wires: [Entry] = []
    private var panel: [Entry] = []

    /// - Throws: when a block is empty or outside its space, two overlap, a node does not exist, or a wire has no input or
    ///   two drivers.
    package init(devices: [PlacedDevice], nodes: Int) throws(AddressMapError) {
        guard devices.count <= Self.deviceLimit else { throw .deviceCount(devices.count) }
        self.devices = devices
        for (index, device) in devices.enumerated() {
            guard device.node.position < nodes else { throw .node(device: index, device.node, of: nodes) }
            guard device.blocks.count <= Self.blockLimit else { throw .blockCount(device: index, device.blocks.count) }
            for block in device.blocks { try insert(block, of: index, node: device.node) }
        }
        try checkWires()
    }

    /// Where blocks of a space may lie. RAM and the local APICs' page belong to no device.
    private static func ranges(_ space: DeviceAccess.Space) -> [Range<UInt64>] {
        switch space {
        case .port: [0..<0x10000]
        case .memory:
            [
                MachineLayout.holeStart..<MachineLayout.localAPICBase.rawValue,
                MachineLayout.localAPICBase.rawValue + 0x1000..<MachineLayout.holeEnd,
            ]
        case .wire: [0..<UInt64(IOAPIC.pinCount)]
        case .panel: [0..<FrontPanel.buttons]
        }
    }

    private mutating func insert(_ block: PlacedDevice.Block, of device: Int, node: NodeIndex) throws(AddressMapError) {
        let (end, overflow) = block.base.addingReportingOverflow(UInt64(block.count))
        guard block.count > 0, !overflow, block.offset <= .max - block.count,
            Self.ranges(block.space).contains(where: { $0.lowerBound <= block.base && end <= $0.upperBound })
        else { throw .range(device: device, block) }
        let entry = Entry(
            base: block.base, last: end - 1, device: device, node: node, offset: UInt64(block.offset), isPosted: block.isPosted)
        switch block.space {
        case .port: try Self.insert(entry, .port, into: &ports)
        case .memory: try Self.insert(entry, .memory, into: &memory)
        case .wire: try Self.insert(entry, .wire, into: &wires)
        case .panel: try Self.insert(entry, .panel, into: &panel)
        }
    }

    private static func insert(_ entry: Entry, _ space: DeviceAccess.Space, into list: inout [Entry]) throws(AddressMapError) {
        let position = list.firstIndex { $0.base > entry.base } ?? list.count
        if position > 0, list[position - 1].last >= entry.base {
            throw .overlap(space, entry.base, list[position - 1].device, entry.device)
        }
        if position < list.count, list[position].base <= entry.last {
            throw .overlap(space, list[position].base, entry.device, list[position].device)
        }
        list.insert(entry, at: position)
    }

    private func checkWires() throws(AddressMapError) {
        var drivers: [UInt8: Int] = [:]
        for (index, device) in devices.enumerated() {
            guard let wire = device.wire else { continue }
            guard Self.find(UInt64(wire), in: wires) != nil else { throw .wire(device: index, wire) }
            if let other = drivers.updateValue(index, forKey: wire) { throw .overlap(.wire, UInt64(wire), other, index) }
        }
    }

    private static func find(_ address: UInt64, in list: [Entry]) -> Int? {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if list[middle].last < address { low = middle + 1 } else { high = middle }
        }
        return low < list.count && list[low].base <= address ? low : nil
    }

    /// The register of an access that lies inside one block; nil when nothing is there or the access leaves the block.
    package func target(of access: DeviceAccess) -> Target? {
        switch access.space {
        case .port: Self.target(of: access, in: ports)
        case .memory: Self.target(of: access, in: memory)
        case .wire: Self.target(of: access, in: wires)
        case .panel: Self.target(of: access, in: panel)
        }
    }

    private static func target(of access: DeviceAccess, in list: [Entry]) -> Target? {
        guard let index = find(access.address, in: list), list[index].last - access.address >= UInt64(access.size - 1) else { return nil }
        let entry = list[index]
        return Target(
            device: entry.device, node: entry.node,
            register: DeviceRegister(space: access.space, offset: entry.offset + (access.address - entry.base)), isPosted: entry.isPosted)
    }

    /// The device that drives an input of the I/O APIC; nil when none does.
    package func driver(ofWire wire: UInt64) -> PlacedDevice? { devices.first { $0.wire.map(UInt64.init) == wire } }

    /// The register of an access that a device can be given whole: one of 1, 2, 4 or 8 bytes inside one block.
    private func whole(_ access: DeviceAccess) -> Target? { access.size.nonzeroBitCount == 1 ? target(of: access) : nil }

    /// Performs a read of 1 to 8 bytes: one of the device's where it can be whole, else one a byte. `body` gets nil where nothing is.
    package func read(_ access: DeviceAccess, _ body: (DeviceAccess, Target?) -> UInt64) -> UInt64 {
        let target = whole(access)
        guard target == nil, access.size > 1 else { return body(access, target) & access.ones }
        var value: UInt64 = 0
        for index in 0..<access.size {
            let byte = access.byte(index)
            value |= (body(byte, self.target(of: byte)) & 0xFF) << UInt64(index * 8)
        }
        return value
    }

    /// Performs a write, as `read` does.
    package func write(_ access: DeviceAccess, _ value: UInt64, _ body: (DeviceAccess, Target?, UInt64) -> Void) {
        let target = whole(access)
        guard target == nil, access.size > 1 else { return body(access, target, value & access.ones) }
        for index in 0..<access.size {
            let byte = access.byte(index)
            body(byte, self.target(of: byte), value >> UInt64(index * 8) & 0xFF)
        }
    }
}

extension DeviceAccess {
    /// One byte of the access. Ports wrap at the end of their space.
    fileprivate func byte(_ index: Int) -> DeviceAccess {
        let address = address &+ UInt64(index)
        return DeviceAccess(space: space, address: space == .port ? address & 0xFFFF : address, size: 1)
    }
}

/// Why a list of devices is no address map.
package enum AddressMapError: Error, Equatable, CustomStringConvertible {
    case deviceCount(Int)
    case blockCount(device: Int, Int)
    case node(device: Int, NodeIndex, of: Int)
    case range(device: Int, PlacedDevice.Block)
    case overlap(DeviceAccess.Space, UInt64, Int, Int)
    case wire(device: Int, UInt8)

    package var description: String {
        switch self {
        case .deviceCount(let count): "\(count) devices, \(AddressMap.deviceLimit) at most"
        case .blockCount(let device, let count): "device \(device) has \(count) blocks of addresses, \(AddressMap.blockLimit) at most"
        case .node(let device, let node, let nodes): "device \(device) stands on node \(node) of a machine of \(nodes)"
        case .range(let device, let block):
            "device \(device) claims \(block.count) from \(block.space) 0x\(String(block.base, radix: 16)): no device can be there"
        case .overlap(let space, let address, let a, let b):
            "devices \(a) and \(b) both claim \(space) 0x\(String(address, radix: 16)): move one of them"
        case .wire(let device, let wire): "device \(device) drives wire \(wire), which no I/O APIC has"
        }
    }
}
