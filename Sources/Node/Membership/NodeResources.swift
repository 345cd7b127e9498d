import Contract
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
    /// Guest time-stamp counter frequency.
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

    /// Divides a board's memory: what the firmware keeps, a cache of an eighth of the rest (or as told), the slice.
    /// - Throws: when nothing is left to lend.
    package init(
        sockets: Int, coresPerSocket: Int, threadsPerCore: Int, physicalMiB: Int, firmwareReserveMiB: Int,
        sliceMiB: Int?, cacheMiB: Int?, processors: Int?
    ) throws(NodeResourcesError) {
        let all = sockets * coresPerSocket * threadsPerCore
        if let processors, processors != all {
            guard processors < all else { throw .processors(have: all, need: processors) }
            self.init(
                sockets: 1, coresPerSocket: processors, threadsPerCore: 1, physicalMiB: physicalMiB, firmwareMiB: 0, sliceMiB: 0,
                cacheMiB: 0)
        } else {
            self.init(
                sockets: sockets, coresPerSocket: coresPerSocket, threadsPerCore: threadsPerCore, physicalMiB: physicalMiB,
                firmwareMiB: 0, sliceMiB: 0, cacheMiB: 0)
        }
        let free = physicalMiB - firmwareReserveMiB
        let cache = cacheMiB ?? max(32, free / 8)
        let slice = (sliceMiB ?? (free - cache)) & ~1
        guard slice >= Limits.sliceMiB.lowerBound, slice + cache <= free else {
            throw .memory(physical: physicalMiB, firmware: firmwareReserveMiB, slice: slice, cache: cache)
        }
        self.sliceMiB = slice
        self.cacheMiB = cache
        firmwareMiB = physicalMiB - slice - cache
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

package enum NodeResourcesError: Error, Sendable, CustomStringConvertible {
    case processors(have: Int, need: Int)
    case memory(physical: Int, firmware: Int, slice: Int, cache: Int)

    package var description: String {
        switch self {
        case .processors(let have, let need):
            "machine.conf asks for \(need) processors, this board has \(have); write the stick again without processors="
        case .memory(let physical, let firmware, let slice, let cache):
            "\(physical) MiB do not hold the firmware (\(firmware) MiB), a cache of \(cache) MiB and a slice of \(slice) MiB: "
                + "the slice must be at least 64 MiB; choose smaller slice-mib and cache-mib or add memory"
        }
    }
}
