/// A page that one node after another reads and then writes is handed over as the only copy at the read, which spares the
/// upgrade.
///
/// Source: P. Stenstrom, M. Brorsson and L. Sandberg, "An Adaptive Cache Coherence Protocol Optimized for Migratory
/// Sharing", and A. Cox and R. Fowler, "Adaptive Cache Coherency for Detecting Migratory Shared Data", both ISCA 1993. An
/// upgrade with exactly two copies, the other being the last writer's, is the sign. A handed-over page that is only read
/// can not be seen from outside, so after `grants` grants the page has to prove itself again.
struct MigratoryDetection: Policy {
    /// Upgrades of the migratory kind in a row before reads are answered with the only copy.
    static let evidence: UInt8 = 2
    /// Reads answered so before looking again.
    static let grants: UInt8 = 16

    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.migratoryDetection) }

    /// A node asks for the only copy. `history` is the page's: evidence below `evidence`, else grants left.
    @inline(__always)
    func sawWrite(_ history: inout UInt8, isUpgrade: Bool, otherCopies: Int, otherIsLastWriter: Bool) {
        guard isOn, isUpgrade, history < Self.evidence else { return }
        if otherCopies == 1 && otherIsLastWriter {
            history &+= 1
            if history == Self.evidence { history = Self.evidence &+ Self.grants }
        } else {
            history = 0
        }
    }

    /// Whether a read should be answered with the only copy.
    @inline(__always)
    func takesExclusive(_ history: inout UInt8) -> Bool {
        guard isOn, history > Self.evidence else { return false }
        history &-= 1
        if history == Self.evidence { history = 0 }
        return true
    }

    @inline(__always)
    func isMigratory(_ history: UInt8) -> Bool { isOn && history > Self.evidence }
}

extension PolicySet {
    /// `MigratoryDetection`
    public static let migratoryDetection = PolicySet(bit: 5)
}

extension MigratoryDetection {
    static var description: PolicyDescription {
        PolicyDescription(
            .migratoryDetection, "migratory-detection",
            "pages read then written by one node after another move whole at the read",
            counters: ["exclusive_on_read"])
    }
}
