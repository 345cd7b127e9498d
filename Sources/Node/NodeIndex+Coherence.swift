package import Coherence
package import Contract

/// The engine knows no kit: its `NodeID` is made from a node's index here, and nowhere else.
extension NodeID {
    package init(of index: NodeIndex) { self.init(index.rawValue) }
}

extension NodeIndex {
    /// - Precondition: an engine of this kit named the node, so it is one of its nodes.
    package init(_ id: NodeID) { self.init(Int(id.rawValue)) }
}
