package import Contract

/// Nodes as a set of bits.
package struct NodeSet: Sendable, Equatable, CustomStringConvertible {
    package private(set) var rawValue: UInt64 = 0

    package init() {}
    package init(bits: UInt64) { rawValue = bits }
    package init(_ members: some Sequence<NodeIndex>) { for member in members { insert(member) } }

    package var isEmpty: Bool { rawValue == 0 }
    package func contains(_ node: NodeIndex) -> Bool { rawValue & Self.bit(node) != 0 }
    package mutating func insert(_ node: NodeIndex) { rawValue |= Self.bit(node) }
    /// Members in rising order.
    package var members: [NodeIndex] { NodeIndex.all(of: Limits.nodes.upperBound).filter { contains($0) } }
    private static func bit(_ node: NodeIndex) -> UInt64 { 1 << UInt64(node.rawValue) }
    package var description: String { members.map { "\($0)" }.joined(separator: ", ") }
}
