/// Many nodes may hold read copies of a page at once. Off, a read takes the only copy, as a machine does whose pages just
/// migrate.
///
/// Source: K. Li and P. Hudak, "Memory Coherence in Shared Virtual Memory Systems", ACM Transactions on Computer Systems
/// 7(4), 1989 (read replication against migration: section 2).
struct ReadReplication {
    let isOn: Bool

    init(_ policies: PolicySet) { isOn = policies.contains(.readReplication) }

    /// Whether a fault should ask for the only copy.
    @inline(__always)
    func takesExclusive(isWrite: Bool) -> Bool { isWrite || !isOn }
}
