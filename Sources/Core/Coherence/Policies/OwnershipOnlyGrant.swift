/// A node that writes a page it holds a current read copy of is granted ownership without the contents.
///
/// Source: the upgrade request of directory protocols, as in D. Lenoski et al., "The Directory-Based Cache Coherence
/// Protocol for the DASH Multiprocessor", ISCA 1990.
struct OwnershipOnlyGrant: Policy {
    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.ownershipOnlyGrant) }

    /// Whether the requester's copy saves sending the contents.
    @inline(__always)
    func sparesContents(requesterHasCopy: Bool) -> Bool { isOn && requesterHasCopy }
}

extension PolicySet {
    /// `OwnershipOnlyGrant`
    public static let ownershipOnlyGrant = PolicySet(bit: 1)
}

extension OwnershipOnlyGrant {
    static var description: PolicyDescription {
        PolicyDescription(
            .ownershipOnlyGrant, "ownership-only-grant",
            "an upgrade carries no contents",
            counters: ["upgrades_without_data"])
    }
}
