/// A page that was touched and holds nothing but zeros travels without its contents. The driver looks: it has the memory, and the page can not
/// change between the look and the message, because it is write-protected by then.
///
/// Source: zero pages as the commonest equal contents in virtual machines (C. Waldspurger, "Memory Resource Management in VMware ESX
/// Server", OSDI 2002).
struct ZeroContentElision: Policy {
    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.zeroContentElision) }
}

extension PolicySet {
    /// `ZeroContentElision`
    public static let zeroContentElision = PolicySet(bit: 10)
}

extension ZeroContentElision {
    static var description: PolicyDescription {
        PolicyDescription(
            .zeroContentElision, "zero-content-elision",
            "a page that holds only zeros travels without contents",
            counters: ["zero_contents_elided"])
    }
}
