/// A sure stream of writes asks for the ownership of the pages in front of which it has read copies.
///
/// Source: exclusive prefetch (T. Mowry and A. Gupta, "Tolerating Latency Through Software-Controlled Prefetching in Shared-Memory
/// Multiprocessors", Journal of Parallel and Distributed Computing 12, 1991).
struct OwnershipPrefetch: Policy {
    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.ownershipPrefetch) }
}

extension PolicySet {
    /// `OwnershipPrefetch`
    public static let ownershipPrefetch = PolicySet(bit: 8)
}

extension OwnershipPrefetch {
    static var description: PolicyDescription {
        PolicyDescription(
            .ownershipPrefetch, "ownership-prefetch",
            "a sure stream of writes asks for the ownership of the read copies in front of it",
            counters: ["requests_ahead"])
    }
}
