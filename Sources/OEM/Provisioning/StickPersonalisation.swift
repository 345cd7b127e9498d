public import BoardSupport
internal import Bytes
public import Coherence
public import Contract

/// What makes one stick of one kit out of a brand's image. It is written to the stick's last partition, VSMP-CONFIG,
/// and holds data only: nothing in it is executed by the firmware.
public struct StickPersonalisation: Sendable, Equatable {
    /// What the machine starts; read by node 0 only.
    public struct GuestPayload: Sendable, Equatable {
        /// Paths of a Linux kernel and of an initial RAM disk.
        public var kernel: String
        public var initrd: String?
        public var commandLine: String

        public init(kernel: String, initrd: String? = nil, commandLine: String = "") {
            self.kernel = kernel
            self.initrd = initrd
            self.commandLine = commandLine
        }
    }

    public let kit: Kit
    /// What `machine.conf` will say.
    public var machine: MachineConfiguration
    public var guest: GuestPayload?

    /// Index of this stick's node, from 0.
    public var node: NodeIndex { machine.node }

    /// - Parameters:
    ///   - sliceMiB: MiB of guest memory that this node is home of; nil leaves it to the node.
    ///   - cacheMiB: MiB of copies of other nodes' pages; nil leaves it to the node.
    ///   - processors: lent to the machine; nil lends all.
    ///   - outageSeconds: silence between two boards that the machine survives; nil takes the standard one.
    ///   - policies: coherence policies to start with; nil leaves them to the board.
    public init(
        kit: Kit, node: NodeIndex, sliceMiB: Int? = nil, cacheMiB: Int? = nil, processors: Int? = nil,
        onFailure: MachineConfiguration.FailureAction? = nil, outageSeconds: Int? = nil, rejoining: MachineConfiguration.Rejoining? = nil,
        watchdog: MachineConfiguration.WatchdogUse? = nil, policies: PolicySet? = nil, guest: GuestPayload? = nil
    ) {
        self.kit = kit
        machine = MachineConfiguration(kit: kit.id, nodes: kit.nodes, node: node)
        machine.sliceMiB = sliceMiB
        machine.cacheMiB = cacheMiB
        machine.processors = processors
        machine.onFailure = onFailure
        machine.outageSeconds = outageSeconds
        machine.rejoining = rejoining
        machine.watchdog = watchdog
        machine.policies = policies
        self.guest = guest
    }

    /// The text of `machine.conf`.
    ///
    /// - Throws: what the node would say of it.
    public func machineConfiguration() throws(ProvisioningError) -> String {
        guard node.position < kit.nodes else {
            throw .failed(.badInput, "kit \(kit.id) has the nodes 0 to \(kit.nodes - 1); there is no node \(node)")
        }
        do throws(TextError) { return try machine.text } catch { throw .failed(.badInput, error.description) }
    }
}
