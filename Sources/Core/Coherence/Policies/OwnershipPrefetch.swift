/// A sure stream of writes asks for the ownership of the pages in front of which it has read copies.
///
/// Source: exclusive prefetch (T. Mowry and A. Gupta, "Tolerating Latency Through Software-Controlled Prefetching in Shared-Memory
/// Multiprocessors", Journal of Parallel and Distributed Computing 12, 1991).
struct OwnershipPrefetch {
    let isOn: Bool

    init(_ policies: PolicySet) { isOn = policies.contains(.ownershipPrefetch) }
}
