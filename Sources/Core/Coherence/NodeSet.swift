/// A set of nodes as one 64-bit word, as in a full-map directory (Censier and Feautrier, "A New Solution to
/// Coherence Problems in Multicache Systems", IEEE Transactions on Computers C-27(12), 1978).
public struct NodeSet: Hashable, Sendable, BitwiseCopyable {
    public var rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64 = 0) { self.rawValue = rawValue }

    @inlinable
    public var isEmpty: Bool { rawValue == 0 }

    @inlinable
    public var count: Int { rawValue.nonzeroBitCount }

    @inlinable
    public func contains(_ node: NodeID) -> Bool { rawValue & (1 << UInt64(node.rawValue)) != 0 }

    @inlinable
    public mutating func insert(_ node: NodeID) { rawValue |= 1 << UInt64(node.rawValue) }

    @inlinable
    public mutating func remove(_ node: NodeID) { rawValue &= ~(1 << UInt64(node.rawValue)) }

    /// Removes and returns the lowest member, or nil when the set is empty.
    @inlinable
    public mutating func popFirst() -> NodeID? {
        guard rawValue != 0 else { return nil }
        let node = NodeID(UInt8(truncatingIfNeeded: rawValue.trailingZeroBitCount))
        rawValue &= rawValue &- 1
        return node
    }
}
