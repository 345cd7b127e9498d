/// A node that writes a page it holds a current read copy of is granted ownership without the contents.
///
/// Source: the upgrade request of directory protocols, as in D. Lenoski et al., "The Directory-Based Cache Coherence
/// Protocol for the DASH Multiprocessor", ISCA 1990.
struct OwnershipOnlyGrant {
    let isOn: Bool

    init(_ policies: PolicySet) { isOn = policies.contains(.ownershipOnlyGrant) }

    /// Whether the requester's copy saves sending the contents.
    @inline(__always)
    func sparesContents(requesterHasCopy: Bool) -> Bool { isOn && requesterHasCopy }
}
