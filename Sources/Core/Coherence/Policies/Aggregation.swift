/// Several neighbouring pages in one message: pages asked for in advance travel with the request that a processor waits
/// for and are answered together, and notices of dropped pages share a message.
///
/// Source: S. Kaxiras et al., "Turning Centralized Coherence and Distributed Critical-Section Execution on their Head: A
/// New Approach for Scalable Distributed Shared Memory" (ArgoDSM), HPDC 2015, whose transfer unit is several pages.
struct Aggregation: Policy {
    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.aggregation) }
}

extension PolicySet {
    /// `Aggregation`
    public static let aggregation = PolicySet(bit: 4)
}

extension Aggregation {
    static var description: PolicyDescription {
        PolicyDescription(
            .aggregation, "aggregation",
            "pages in advance ride on the request and share a reply; dropped pages share a hint",
            counters: ["messages_aggregated"])
    }
}
