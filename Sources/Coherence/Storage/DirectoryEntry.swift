/// The home's record of one page, 16 bytes. It always shows the state after the transaction in progress, which no other
/// request can see before that transaction ends.
struct DirectoryEntry: BitwiseCopyable {
    /// Nodes with read copies, without the owner.
    var sharers: NodeSet
    /// Last entry of the page's circular queue of waiting requests, -1 when none waits.
    var queueTail: Int32 = -1
    /// The node that answers for the contents. The home itself whenever it has a copy.
    var owner: NodeID
    /// Whose transaction is in progress; 0x80 and their number when it is reads that an owner elsewhere answers; 0xFF when none is.
    var transaction: UInt8 = 0xFF
    /// Who asked for the only copy last.
    var lastWriter: UInt8 = 0xFF
    /// State of `MigratoryDetection`.
    var history: UInt8 = 0

    init(owner: NodeID) {
        self.owner = owner
        sharers = NodeSet()
    }

    @inline(__always)
    var isBusy: Bool { transaction != 0xFF }

    /// Reads in progress that an owner elsewhere answers.
    @inline(__always)
    var reads: Int {
        get { isBusy && transaction >= 0x80 ? Int(transaction & 0x7F) : 0 }
        set { transaction = newValue == 0 ? 0xFF : 0x80 | UInt8(newValue) }
    }
}
