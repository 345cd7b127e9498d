public import Contract
internal import Coherence

/// What makes one stick of one kit out of a brand's image. It is written to the stick's last partition, VSMP-CONFIG,
/// and holds data only: nothing in it is executed by the firmware.
public struct StickPersonalisation: Sendable, Equatable {
    public enum FailureAction: String, Sendable, CaseIterable {
        case poweroff, wait
    }

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

    public var kit: Kit
    /// Index of this stick's node, from 0.
    public var node: NodeIndex
    /// MiB of guest memory that this node is home of; nil leaves it to the node.
    public var sliceMiB: Int?
    /// MiB of copies of other nodes' pages; nil leaves it to the node.
    public var cacheMiB: Int?
    /// Processors lent to the machine; nil lends all.
    public var processors: Int?
    public var onFailure: FailureAction?
    /// Names of coherence policies, comma-separated.
    public var policies: String?
    public var guest: GuestPayload?

    public init(
        kit: Kit, node: NodeIndex, sliceMiB: Int? = nil, cacheMiB: Int? = nil, processors: Int? = nil,
        onFailure: FailureAction? = nil, policies: String? = nil, guest: GuestPayload? = nil
    ) {
        self.kit = kit
        self.node = node
        self.sliceMiB = sliceMiB
        self.cacheMiB = cacheMiB
        self.processors = processors
        self.onFailure = onFailure
        self.policies = policies
        self.guest = guest
    }

    /// The text of `machine.conf`: `key=value` on each line.
    public func machineConfiguration() throws(ProvisioningError) -> String {
        guard node.position < kit.nodes else {
            throw .failed(
                .badInput, "kit \(kit.id) has the nodes 0 to \(kit.nodes - 1); there is no node \(node)")
        }
        var lines = ["kit=\(kit.id)", "nodes=\(kit.nodes)", "node=\(node)"]
        for (name, value, range) in [
            ("slice-mib", sliceMiB, Limits.sliceMiB), ("cache-mib", cacheMiB, Limits.cacheMiB), ("processors", processors, Limits.lentProcessors),
        ] {
            guard let value else { continue }
            guard range.contains(value) else {
                throw .failed(.badInput, "\(name)=\(value): expected a number from \(range.lowerBound) to \(range.upperBound)")
            }
            lines.append("\(name)=\(value)")
        }
        if let onFailure { lines.append("on-failure=\(onFailure.rawValue)") }
        if let policies {
            do throws(PolicySet.UnknownPolicy) { _ = try PolicySet(parsing: policies) } catch {
                throw .failed(.badInput, "policies=\(policies): \(error)")
            }
            lines.append("policies=\(policies)")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
