/// While this home has more contents to send than its port takes, a read of a page that other nodes have copies of is answered by one of
/// them. A node that has its copy no longer says so to the reader, who asks the home again.
///
/// Source: J. Goodman and H. Hum, "MESIF: A Two-Hop Cache Coherency Protocol for Point-to-Point Interconnects", University of Auckland 2009:
/// a clean copy answers reads.
struct ReaderRelay: Policy {
    /// Pages that have to wait for the port before others are asked to help.
    private static let patience: UInt64 = 1

    let isOn: Bool
    /// Nanoseconds that a page keeps the port busy; 0 when nobody knows.
    let pageTime: UInt64
    /// When the port will have sent everything.
    private var busyUntil: UInt64 = 0
    /// The model checker's word instead of the port's.
    var isForced: Bool?

    init(_ context: PolicyContext) {
        isOn = context.policies.contains(.readerRelay)
        pageTime = context.pageTime
    }

    /// Contents of so many pages are sent.
    @inline(__always)
    mutating func sent(pages: Int, now: Instant) {
        busyUntil = max(busyUntil, now.nanoseconds) &+ pageTime &* UInt64(pages)
    }

    /// The reader among `sharers` that is to answer `requester`, if one is: the next one, counted from the requester.
    @inline(__always)
    func choose(_ sharers: NodeSet, for requester: NodeID, now: Instant) -> NodeID? {
        guard isOn, !sharers.isEmpty, isForced ?? (busyUntil > now.nanoseconds &+ Self.patience &* pageTime) else { return nil }
        let above = sharers.rawValue & ~((2 << UInt64(requester.rawValue)) &- 1)
        var rest = NodeSet(rawValue: above == 0 ? sharers.rawValue : above)
        return rest.popFirst()
    }
}

extension PolicySet {
    /// `ReaderRelay`
    public static let readerRelay = PolicySet(bit: 14)
}

extension ReaderRelay {
    static var description: PolicyDescription {
        PolicyDescription(
            .readerRelay, "reader-relay",
            """
            while more contents wait for a home's port than one page, its reads are answered by other readers. \
            The port's speed is what its driver says; where it does not, this is off. On three emulated boards \
            it was never needed: their loops are slower than the port they are told of
            """,
            counters: ["reads_relayed"])
    }
}
