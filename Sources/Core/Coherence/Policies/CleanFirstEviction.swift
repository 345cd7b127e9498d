/// Of the pages looked at for eviction the clean ones go first: they are dropped, where an owned one has to be sent home.
///
/// Source: S. Park et al., "CFLRU: A Replacement Algorithm for Flash Memory", CASES 2006 (a window of the oldest pages in which clean ones
/// go first).
struct CleanFirstEviction {
    /// The smallest cache in which it acts: passing over pages shortens the time that the others stay, and an instruction needs up to six
    /// at once.
    static let smallestCache = 128

    let isOn: Bool

    init(_ policies: PolicySet, cacheLimit: Int) { isOn = policies.contains(.cleanFirstEviction) && cacheLimit >= Self.smallestCache }

    /// How many pages may be passed over for being owned while `wanted` are put out: so a page stays at least half as long as without.
    func passes(wanted: Int) -> Int { isOn ? wanted : 0 }
}
