/// Several neighbouring pages in one message: pages asked for in advance travel with the request that a processor waits
/// for and are answered together, and notices of dropped pages share a message.
///
/// Source: S. Kaxiras et al., "Turning Centralized Coherence and Distributed Critical-Section Execution on their Head: A
/// New Approach for Scalable Distributed Shared Memory" (ArgoDSM), HPDC 2015, whose transfer unit is several pages.
struct Aggregation {
    let isOn: Bool

    init(_ policies: PolicySet) { isOn = policies.contains(.aggregation) }
}
