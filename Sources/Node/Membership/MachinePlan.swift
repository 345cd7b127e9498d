import Bytes
package import Machine

/// What node 0 decides for all nodes before the machine exists.
package struct MachinePlan: Sendable, Equatable {
    package var resources: [NodeResources]
    package var cpuid: CPUIDTable
    /// Host time-stamp counter of node 0 at guest time zero.
    package var clockOrigin: UInt64
    /// The machine's devices, wherever they stand.
    package var devices: [PlacedDevice]

    package var layout: MachineLayout {
        get throws(MachineLayoutError) { try MachineLayout(nodes: resources.map(\.description)) }
    }

    package var addressMap: AddressMap {
        get throws(AddressMapError) { try AddressMap(devices: devices, nodes: resources.count) }
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.put(UInt8(resources.count))
        for node in resources { node.write(to: &writer) }
        writer.put(clockOrigin)
        writer.put(UInt8(devices.count))
        for device in devices { device.write(to: &writer) }
        writer.put(raw: cpuid.encoded())
        return writer.bytes
    }

    init(resources: [NodeResources], cpuid: CPUIDTable, clockOrigin: UInt64, devices: [PlacedDevice] = PlacedDevice.chipset()) {
        self.devices = devices
        self.resources = resources
        self.cpuid = cpuid
        self.clockOrigin = clockOrigin
    }

    init(decoding bytes: [UInt8]) throws(ByteError) {
        var reader = ByteReader(bytes)
        let count = Int(try reader.take(UInt8.self))
        guard count > 0 else { throw .value("number of nodes") }
        resources = []
        for _ in 0..<count { resources.append(try NodeResources(from: &reader)) }
        clockOrigin = try reader.take()
        devices = []
        for _ in 0..<Int(try reader.take(UInt8.self)) { devices.append(try PlacedDevice(from: &reader)) }
        do {
            _ = try AddressMap(devices: devices, nodes: count)
        } catch {
            throw .value("address map (\(error))")
        }
        do {
            cpuid = try CPUIDTable(decoding: reader.takeRest())
        } catch {
            throw .value("CPUID table (\(error))")
        }
    }
}

/// What a node tells node 0 about itself.
struct NodeHello {
    var resources: NodeResources
    var cpuid: CPUIDTable

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        resources.write(to: &writer)
        writer.put(raw: cpuid.encoded())
        return writer.bytes
    }

    init(resources: NodeResources, cpuid: CPUIDTable) {
        self.resources = resources
        self.cpuid = cpuid
    }

    init(decoding bytes: [UInt8]) throws(ByteError) {
        var reader = ByteReader(bytes)
        resources = try NodeResources(from: &reader)
        do {
            cpuid = try CPUIDTable(decoding: reader.takeRest())
        } catch {
            throw .value("CPUID table (\(error))")
        }
    }
}

/// First byte of a membership frame's body.
package enum MembershipKind: UInt8, Sendable {
    /// Node n to 0: payload is a `NodeHello`.
    case hello = 1
    /// Node 0 to all: payload is a `MachinePlan`.
    case plan = 2
    /// Node n to 0: processors wait for their start-up IPI; body holds the clock's error bound and round trip (ns).
    case ready = 3
    /// Node 0 to all: the guest runs.
    case start = 4
    /// The machine ends; body holds an `EndKind` and text.
    case end = 5
    /// Node n to 0, after its processors stopped: payload is a `NodeReport`.
    case report = 6
    /// Node 0 to all: everything is collected, connections may close.
    case goodbye = 7
    /// Every node to every other: payload is a `LicenceStatement`.
    case licence = 8
    /// Every node to every other: payload is a `LicenceVerdictMessage`.
    case licenceVerdict = 9
}
