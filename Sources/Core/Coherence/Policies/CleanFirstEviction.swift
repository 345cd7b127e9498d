/// Of the pages looked at for eviction the clean ones go first: they are dropped, where an owned one has to be sent home.
///
/// Source: S. Park et al., "CFLRU: A Replacement Algorithm for Flash Memory", CASES 2006 (a window of the oldest pages in which clean ones
/// go first).
struct CleanFirstEviction: Policy {
    /// The smallest cache in which it acts: passing over pages shortens the time that the others stay, and an instruction needs up to six
    /// at once.
    static let smallestCache = 128

    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.cleanFirstEviction) && context.cacheLimit >= Self.smallestCache }

    /// How many pages may be passed over for being owned while `wanted` are put out: so a page stays at least half as long as without.
    func passes(wanted: Int) -> Int { isOn ? wanted : 0 }
}

extension PolicySet {
    /// `CleanFirstEviction`
    public static let cleanFirstEviction = PolicySet(bit: 11)
}

extension CleanFirstEviction {
    static var description: PolicyDescription {
        PolicyDescription(
            .cleanFirstEviction, "clean-first-eviction",
            """
            while pages are put out, as many owned ones are passed over for clean ones; in caches of 128 pages \
            and more
            """,
            counters: ["dirty_pages_passed"])
    }
}
