/// A page nobody has touched is granted as zeros: exclusively, even to a reader, because the first toucher of fresh memory
/// soon writes it and nobody else has a copy.
///
/// Source: C. Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002, which finds zero pages to be the
/// commonest duplicate; the exclusive state for a sole reader is from M. Papamarcos and J. Patel, "A Low-Overhead Coherence
/// Solution for Multiprocessors with Private Cache Memories", ISCA 1984.
struct ZeroPageElision: Policy {
    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.zeroPageElision) }
}

extension PolicySet {
    /// `ZeroPageElision`
    public static let zeroPageElision = PolicySet(bit: 2)
}

extension ZeroPageElision {
    static var description: PolicyDescription {
        PolicyDescription(
            .zeroPageElision, "zero-page-elision",
            "untouched pages are granted without contents",
            counters: ["zero_grants"])
    }
}
