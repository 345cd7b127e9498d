import Bytes
import Contract
package import Machine

/// What node 0 decides for all nodes before the machine exists.
package struct MachinePlan: Sendable, Equatable {
    package var resources: [NodeResources]
    package var cpuid: CPUIDTable
    /// Host time-stamp counter of node 0 at guest time zero.
    package var clockOrigin: UInt64
    /// The machine's devices, wherever they stand.
    package var devices: [PlacedDevice]
    /// Silence between two nodes that the machine survives, in seconds.
    package var outageSeconds: Int

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
        writer.put(UInt8(outageSeconds))
        writer.put(UInt8(devices.count))
        for device in devices { device.write(to: &writer) }
        writer.put(raw: cpuid.encoded())
        return writer.bytes
    }

    init(
        resources: [NodeResources], cpuid: CPUIDTable, clockOrigin: UInt64, devices: [PlacedDevice] = PlacedDevice.chipset(),
        outageSeconds: Int = Limits.standardOutageSeconds
    ) {
        self.outageSeconds = outageSeconds
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
        outageSeconds = Int(try reader.take(UInt8.self))
        guard Limits.outageSeconds.contains(outageSeconds) else { throw .value("outage") }
        devices = []
        for _ in 0..<Int(try reader.take(UInt8.self)) { devices.append(try PlacedDevice(from: &reader)) }
        do {
            _ = try AddressMap(devices: devices, nodes: count)
        } catch {
            throw .value("address map (\(error))")
        }
        do {
            _ = try MachineLayout(nodes: resources.map(\.description))
        } catch {
            throw .value("machine layout (\(error))")
        }
        do {
            cpuid = try CPUIDTable(decoding: reader.takeRest())
        } catch {
            throw .value("CPUID table (\(error))")
        }
    }
}

/// What a node tells node 0 about itself.
package struct NodeHello: Sendable, Equatable {
    /// `timestampKilohertz` is what this node's kernel believes.
    package var resources: NodeResources
    package var counter: CounterReading
    package var cpuid: CPUIDTable

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        resources.write(to: &writer)
        counter.write(to: &writer)
        writer.put(raw: cpuid.encoded())
        return writer.bytes
    }

    package init(resources: NodeResources, counter: CounterReading = CounterReading(), cpuid: CPUIDTable) {
        self.resources = resources
        self.counter = counter
        self.cpuid = cpuid
    }

    init(decoding bytes: [UInt8]) throws(ByteError) {
        var reader = ByteReader(bytes)
        resources = try NodeResources(from: &reader)
        counter = try CounterReading(from: &reader)
        do {
            cpuid = try CPUIDTable(decoding: reader.takeRest())
        } catch {
            throw .value("CPUID table (\(error))")
        }
    }
}
