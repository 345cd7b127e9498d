package import Contract
package import BoardSupport
package import Machine
package import Coherence
package import Interconnect
package import Platform
package import Verbs

extension NodeRuntime {
    /// Everything that a node needs of the outside, so that tests run several in one process.
    package struct Setup: Sendable {
        package var configuration: MachineConfiguration
        /// Coherence policies to start with.
        package var policies: PolicySet
        package var key: ClusterKey
        package var firmwareHash: FirmwareHash
        /// Every firmware on this node's stick; empty for the running one alone.
        package var holdings: [FirmwareHolding] = []
        package var reach: Reach
        /// What carries the coherence connections; nil for TCP.
        package var adapter: VerbsAdapter?
        package var resources: NodeResources
        /// What the board's memory was divided by, to be asked again when all slices are known; nil asks nobody.
        package var memory: MemoryDivision.Demand?
        package var licensing: NodeLicensing
        package var guest: GuestSource?
        package var console: GuestConsole
        /// What the guest is told of the machine's maker.
        package var identity: MachineIdentity
        /// The machine's devices and where they stand; node 0's list counts.
        package var devices = PlacedDevice.chipset()
        /// KVM shadows guest page tables here (AMD with npt=0).
        package var forgetsShadows: Bool
        /// Nanoseconds.
        package var minimumHold: UInt64
        /// Bits a second of the port to the other nodes, asked once they are joined; nil when nobody knows.
        package var portSpeed: @Sendable () -> UInt64?
        /// Sets the port's largest packet where this process may not; nil where it may.
        package var portSizer: PortSizer?
        /// How long to wait for the other nodes, in nanoseconds; nil for ever.
        package var patience: UInt64?
        /// How often in a row the guest has reset before it reached user space; node 0's counts.
        package var earlyResets = 0
        /// Called once when this node runs its part of a machine that has started.
        package var onStart: @Sendable () -> Void = {}
        /// This node's stick, for updates of the running machine; nil without one.
        package var stick: FirmwareStick?
        package var log: @Sendable (String) -> Void

        package init(
            configuration: MachineConfiguration, policies: PolicySet, key: ClusterKey, firmwareHash: FirmwareHash, reach: Reach,
            resources: NodeResources, licensing: NodeLicensing, guest: GuestSource?, console: GuestConsole, identity: MachineIdentity = MachineIdentity(), forgetsShadows: Bool, minimumHold: UInt64,
            portSpeed: @escaping @Sendable () -> UInt64? = { nil }, patience: UInt64? = nil, log: @escaping @Sendable (String) -> Void
        ) {
            self.configuration = configuration
            self.policies = policies
            self.key = key
            self.firmwareHash = firmwareHash
            self.reach = reach
            self.resources = resources
            self.licensing = licensing
            self.guest = guest
            self.console = console
            self.identity = identity
            self.forgetsShadows = forgetsShadows
            self.minimumHold = minimumHold
            self.portSpeed = portSpeed
            self.patience = patience
            self.log = log
        }
    }
}
