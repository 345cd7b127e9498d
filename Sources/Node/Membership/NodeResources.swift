import Bytes
package import Machine

/// What one board lends to the machine, measured by the node itself.
package struct NodeResources: Sendable, Equatable {
    package var sockets: Int
    package var coresPerSocket: Int
    package var threadsPerCore: Int
    /// All memory of the board in MiB, and its three parts; they sum to it.
    package var physicalMiB: Int
    package var firmwareMiB: Int
    package var sliceMiB: Int
    package var cacheMiB: Int
    /// Of a hello: what the node's kernel takes its time-stamp counter for. Of a plan: the guest's counter, the same for every node.
    package var timestampKilohertz: UInt32

    package var processors: Int { sockets * coresPerSocket * threadsPerCore }

    package init(
        sockets: Int, coresPerSocket: Int, threadsPerCore: Int, physicalMiB: Int, firmwareMiB: Int, sliceMiB: Int, cacheMiB: Int,
        timestampKilohertz: UInt32 = 0
    ) {
        self.sockets = sockets
        self.coresPerSocket = coresPerSocket
        self.threadsPerCore = threadsPerCore
        self.physicalMiB = physicalMiB
        self.firmwareMiB = firmwareMiB
        self.sliceMiB = sliceMiB
        self.cacheMiB = cacheMiB
        self.timestampKilohertz = timestampKilohertz
    }

    package var description: MachineLayout.NodeDescription {
        MachineLayout.NodeDescription(
            sockets: sockets, coresPerSocket: coresPerSocket, threadsPerCore: threadsPerCore, sliceMiB: sliceMiB)
    }

    func write(to writer: inout ByteWriter) {
        for value in [sockets, coresPerSocket, threadsPerCore, physicalMiB, firmwareMiB, sliceMiB, cacheMiB] {
            writer.put(UInt32(value))
        }
        writer.put(timestampKilohertz)
    }

    init(from reader: inout ByteReader) throws(ByteError) {
        var values: [Int] = []
        for _ in 0..<7 { values.append(Int(try reader.take(UInt32.self))) }
        guard values[0..<3].allSatisfy({ (1...MachineLayout.processorLimit).contains($0) }) else {
            throw .value("number of processors")
        }
        guard values[3..<7].allSatisfy({ $0 <= 1 << 26 }) else { throw .value("amount of memory") }
        let kilohertz = try reader.take(UInt32.self)
        guard kilohertz > 0 else { throw .value("clock frequency") }
        self.init(
            sockets: values[0], coresPerSocket: values[1], threadsPerCore: values[2], physicalMiB: values[3],
            firmwareMiB: values[4], sliceMiB: values[5], cacheMiB: values[6], timestampKilohertz: kilohertz)
    }
}

/// A board has fewer processors than its stick asks for.
package struct NodeResourcesError: Error, Sendable, CustomStringConvertible {
    let have: Int
    let need: Int

    package var description: String { "machine.conf asks for \(need) processors, this board has \(have); write the stick again without processors=" }
}
