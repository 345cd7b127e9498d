/// Of the pages looked at for eviction the clean ones go first: they are dropped, where an owned one has to be sent home.
///
/// Source: S. Park et al., "CFLRU: A Replacement Algorithm for Flash Memory", CASES 2006 (a window of the oldest pages in which clean ones
/// go first).
struct CleanFirstEviction {
    let isOn: Bool

    init(_ policies: PolicySet) { isOn = policies.contains(.cleanFirstEviction) }

    /// Of `looks` pages to look at, how many may be passed over for being owned.
    func passes(looks: Int) -> Int { isOn ? looks / 2 : 0 }
}
