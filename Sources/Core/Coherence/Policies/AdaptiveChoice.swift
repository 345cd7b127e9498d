/// Chooses for each page whether the prefetching policies may have it. A page that is written by another node before its receiver has asked
/// for more was taken away from its user for nothing; after two of those it is given to nodes that wait for it only, until some have.
///
/// Source: choosing the protocol of each page by how it has been shared (L. Monnerat and R. Bianchini, "Efficiently Adapting to Sharing Patterns
/// in Software DSMs", HPCA 1998); the counter of two bits is J. Smith's ("A Study of Branch Prediction Strategies", ISCA 1981).
struct AdaptiveChoice: Policy {
    private static let limit: UInt8 = 2

    let isOn: Bool

    init(_ context: PolicyContext) { isOn = context.policies.contains(.adaptiveChoice) }

    @inline(__always)
    func mayGiveInAdvance(_ history: PageHistory) -> Bool { !isOn || history.waste < Self.limit }

    @inline(__always)
    func gaveInAdvance(_ history: inout PageHistory) { history.wasInAdvance = isOn }

    /// A node wants to read the page and waits for it.
    @inline(__always)
    func sawRead(_ history: inout PageHistory) {
        guard isOn, !history.wasInAdvance, history.waste > 0 else { return }
        history.waste &-= 1
    }

    /// A node wants to write the page, of which it had been given a copy, or which others had.
    @inline(__always)
    func sawWrite(_ history: inout PageHistory, byReader isReader: Bool) {
        guard isOn, history.wasInAdvance else { return }
        history.wasInAdvance = false
        if isReader {
            history.waste = 0
        } else if history.waste < 3 {
            history.waste &+= 1
        }
    }
}

extension PolicySet {
    /// `AdaptiveChoice`
    public static let adaptiveChoice = PolicySet(bit: 15)
}

extension AdaptiveChoice {
    static var description: PolicyDescription {
        PolicyDescription(
            .adaptiveChoice, "adaptive-choice",
            """
            the chooser, page by page, at the home: a page that was given in advance and then written by \
            somebody else twice is given only to who waits for it, until some have; with the page's migration \
            history it decides between sharing, handing over and giving in advance
            """,
            counters: ["prefetches_refused"])
    }
}
