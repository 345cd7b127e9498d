/// A sure stream asks for each page that the home could not give at once by a request of its own, which goes to the owner wherever that
/// is; the home does the same for its own pages that others own.
///
/// Source: non-binding prefetch in a cache-coherent machine (T. Mowry and A. Gupta, "Tolerating Latency Through Software-Controlled
/// Prefetching in Shared-Memory Multiprocessors", Journal of Parallel and Distributed Computing 12, 1991).
struct ForwardedPrefetch: Policy {
    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.forwardedPrefetch) }
}

extension PolicySet {
    /// `ForwardedPrefetch`
    public static let forwardedPrefetch = PolicySet(bit: 7)
}

extension ForwardedPrefetch {
    static var description: PolicyDescription {
        PolicyDescription(
            .forwardedPrefetch, "forwarded-prefetch",
            """
            a sure stream (four steps) asks for each page that the home could not give at once by a request of \
            its own; so does a home for its own pages that others own
            """,
            counters: ["requests_ahead"])
    }
}
