/// The home's record of one page, 16 bytes. It always shows the state after the transaction in progress, which no other
/// request can see before that transaction ends.
struct DirectoryEntry: BitwiseCopyable {
    /// Nodes with read copies, without the owner.
    var sharers: NodeSet
    /// Last entry of the page's circular queue of waiting requests, -1 when none waits.
    var queueTail: Int32 = -1
    /// The node that answers for the contents. The home itself whenever it has a copy.
    var owner: NodeID
    /// Whose request keeps the page busy: the home's own, which waits for another node, or one that waits for the home's hold; 0xFF when none does.
    var transaction: UInt8 = 0xFF
    /// Who asked for the only copy last.
    var lastWriter: UInt8 = 0xFF
    var history = PageHistory()

    init(owner: NodeID) {
        self.owner = owner
        sharers = NodeSet()
    }

    @inline(__always)
    var isBusy: Bool { transaction != 0xFF }
}
