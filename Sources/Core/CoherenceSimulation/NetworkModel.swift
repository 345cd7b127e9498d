/// What messages and faults cost, in nanoseconds: the LogGP model (A. Alexandrov, M. Ionescu, K. Schauser and C. Scheiman,
/// "LogGP: Incorporating Long Messages into the LogP Model", SPAA 1995) with one port a node, full duplex, and one
/// thread a node that runs the protocol. docs/coherence-simulation.md names where each figure is from.
public struct NetworkModel: Equatable, Sendable {
    public var name: String
    /// From the sender's port to the receiver's, the bytes' own time apart.
    public var wire: UInt64
    /// Bytes a second of a port.
    public var bandwidth: UInt64
    /// The protocol thread's time to send a message, and to take one in.
    public var sendOverhead: UInt64
    public var receiveOverhead: UInt64
    /// Bytes around each message: link and transport headers.
    public var framing: UInt64
    /// From a processor's access to the protocol thread knowing of it.
    public var trap: UInt64
    /// From the page being there to the processor going on.
    public var wake: UInt64
    /// Mapping, protecting or dropping a page.
    public var pageOperation: UInt64
    /// How long a page that a processor waited for stays at least: more than `wake`.
    public var minimumHold: UInt64 { wake * 2 }

    public init(
        name: String, wire: UInt64, bandwidth: UInt64, sendOverhead: UInt64, receiveOverhead: UInt64, framing: UInt64,
        trap: UInt64, wake: UInt64, pageOperation: UInt64
    ) {
        self.name = name
        self.wire = wire
        self.bandwidth = bandwidth
        self.sendOverhead = sendOverhead
        self.receiveOverhead = receiveOverhead
        self.framing = framing
        self.trap = trap
        self.wake = wake
        self.pageOperation = pageOperation
    }

    /// TCP over Gigabit Ethernet: 23 us one way for a small message.
    public static let gigabitEthernet = NetworkModel(
        name: "gbe", wire: 13_000, bandwidth: 125_000_000, sendOverhead: 4_000, receiveOverhead: 6_000, framing: 78,
        trap: 4_000, wake: 6_000, pageOperation: 1_500)
    /// TCP over 10 Gigabit Ethernet: 20 us one way with the first adapters.
    public static let tenGigabitEthernet = NetworkModel(
        name: "10gbe", wire: 10_000, bandwidth: 1_250_000_000, sendOverhead: 4_000, receiveOverhead: 6_000, framing: 78,
        trap: 4_000, wake: 6_000, pageOperation: 1_500)
    /// Sends and receives over InfiniBand 4X DDR, without RDMA operations: 4.1 us one way for a small message.
    public static let infiniBand = NetworkModel(
        name: "infiniband", wire: 2_100, bandwidth: 2_000_000_000, sendOverhead: 1_000, receiveOverhead: 1_000, framing: 30,
        trap: 4_000, wake: 6_000, pageOperation: 1_500)

    public static let all = [gigabitEthernet, tenGigabitEthernet, infiniBand]

    /// Nanoseconds that `bytes` of a message keep a port busy.
    package func occupancy(bytes: Int) -> UInt64 { (UInt64(bytes) + framing) * 1_000_000_000 / bandwidth }
}
