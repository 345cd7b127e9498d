import Coherence

/// What the simulator says one fault costs on a machine of two nodes with nothing else to do, in nanoseconds.
public struct FaultPrediction: Equatable, Sendable {
    /// A page that the node itself provides, one by one, without a message.
    public let local: UInt64
    /// A read, and a write, of a page that its home, the other node, may write.
    public let remoteRead: UInt64
    public let remoteWrite: UInt64

    private static let faults = 32
    /// Too far apart for every prefetch, and no page twice.
    private static let stride = 127
    /// Pages of a node.
    private static let slice = 4096

    public init(network: NetworkModel) throws {
        local = network.trap + network.pageOperation + network.wake
        remoteRead = try Self.latency(.read, network)
        // An atomic access finds contents at the home; what a trace only writes nobody has touched.
        remoteWrite = try Self.latency(.atomic, network)
    }

    /// The mean of equal faults of one processor, one after the other, while that of the other node does nothing.
    private static func latency(_ kind: AccessKind, _ network: NetworkModel) throws -> UInt64 {
        var accesses = (0..<faults).map { index in
            Access(time: UInt64(index) * 1000, page: UInt32(slice + index * stride), kind: kind)
        }
        // The machine's last page, so that both slices have `slice` pages.
        accesses.append(Access(time: UInt64(faults) * 1000, page: UInt32(2 * slice - 1), kind: kind))
        let result = try Comparison.run(.engine(.all), Trace(processors: [accesses, []]), nodes: 2, network: network)
        guard result.remoteFaults == UInt64(accesses.count) else {
            throw Broken("\(result.remoteFaults) of \(accesses.count) faults were remote")
        }
        return result.stall / result.remoteFaults
    }
}
