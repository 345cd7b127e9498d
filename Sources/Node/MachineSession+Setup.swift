package import Contract
package import Coherence

extension MachineSession {
    package struct Setup: Sendable {
        package var node: NodeIndex
        package var plan: MachinePlan
        package var policies: PolicySet
        /// Nanoseconds; see EngineConfiguration.
        package var minimumHold: UInt64
        package var pageTime: UInt64
        /// This node's KVM shadows guest page tables: forget shadows of pages that leave.
        package var forgetsShadows: Bool
        package var console: GuestConsole
        /// What the guest is told of the machine's maker.
        package var identity: MachineIdentity
        /// What this node's kernel takes its time-stamp counter for; nil when it is right.
        package var kernelKilohertz: UInt32?
        package var log: @Sendable (String) -> Void
        /// Sentences that `log` had no place for.
        package var droppedLines: @Sendable () -> UInt64

        package init(
            node: NodeIndex, plan: MachinePlan, policies: PolicySet, minimumHold: UInt64, pageTime: UInt64, forgetsShadows: Bool, console: GuestConsole,
            identity: MachineIdentity = MachineIdentity(), log: @escaping @Sendable (String) -> Void,
            droppedLines: @escaping @Sendable () -> UInt64
        ) {
            self.node = node
            self.plan = plan
            self.policies = policies
            self.minimumHold = minimumHold
            self.pageTime = pageTime
            self.forgetsShadows = forgetsShadows
            self.console = console
            self.identity = identity
            self.log = log
            self.droppedLines = droppedLines
        }
    }
}
