/// Many nodes may hold read copies of a page at once. Off, a read takes the only copy, as a machine does whose pages just
/// migrate.
///
/// Source: K. Li and P. Hudak, "Memory Coherence in Shared Virtual Memory Systems", ACM Transactions on Computer Systems
/// 7(4), 1989 (read replication against migration: section 2).
struct ReadReplication: Policy {
    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.readReplication) }

    /// Whether a fault should ask for the only copy.
    @inline(__always)
    func takesExclusive(isWrite: Bool) -> Bool { isWrite || !isOn }
}

extension PolicySet {
    /// `ReadReplication`
    public static let readReplication = PolicySet(bit: 0)
}

extension ReadReplication {
    static var description: PolicyDescription {
        PolicyDescription(
            .readReplication, "read-replication",
            "readers share; off, each read takes the only copy",
            counters: ["read_faults", "exclusive_on_read"])
    }
}
