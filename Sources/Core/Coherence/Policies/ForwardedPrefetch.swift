/// A sure stream asks for each page that the home could not give at once by a request of its own, which goes to the owner wherever that
/// is; the home does the same for its own pages that others own.
///
/// Source: non-binding prefetch in a cache-coherent machine (T. Mowry and A. Gupta, "Tolerating Latency Through Software-Controlled
/// Prefetching in Shared-Memory Multiprocessors", Journal of Parallel and Distributed Computing 12, 1991).
struct ForwardedPrefetch {
    let isOn: Bool

    init(_ policies: PolicySet) { isOn = policies.contains(.forwardedPrefetch) }
}
