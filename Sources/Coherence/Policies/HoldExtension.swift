/// A page whose writer wants it back soon after it was lost is kept longer the next time, so that each transfer pays
/// for more work: a clock page that one node writes each tick and others read, a lock that one node takes often. Read
/// copies are not kept longer: that would only make the writer wait.
///
/// Source: B. Fleisch and G. Popek, "Mirage: A Coherent Distributed Shared Memory Design", SOSP 1989 (the time window in
/// which a page is not given up).
struct HoldExtension {
    /// A return within so many minimum holds of the loss counts as ping-pong.
    static let quickReturn: UInt64 = 32
    /// Quick returns that change nothing yet.
    static let patience: UInt8 = 3
    /// The longest extension is 2 to this power of the minimum. Much longer, and a reader that needs two pages between two writes
    /// (Linux's seqcounts) never gets both, and on a fast network the hold costs more than the transfers it saves.
    static let limit: UInt8 = 2

    let isOn: Bool

    init(_ policies: PolicySet) { isOn = policies.contains(.holdExtension) }

    /// The power of two to lengthen the hold by after `bounces` quick returns in a row.
    @inline(__always)
    func shift(bounces: UInt8) -> UInt8 { isOn && bounces > Self.patience ? min(bounces &- Self.patience, Self.limit) : 0 }
}
