/// Faults of one processor at p, p + d, p + 2d and p + 3d announce p + 4d and so on, whatever it touches between them: a column of a
/// matrix, one field of large records. Those pages are asked for in advance.
///
/// Source: S. Palacharla and R. Kessler, "Evaluating Stream Buffers as a Secondary Cache Replacement", ISCA 1994 (non-unit
/// strides found as the smallest delta to a recent miss); here a delta has to come three times, because a wrong page costs its transfer.
struct MinimumDeltaPrefetch: Policy, ~Copyable {
    /// Places that are remembered of each processor.
    static let depth = 16
    /// Distances looked for; the largest is as far as a request names pages.
    static let distances: ClosedRange<UInt32> = 2...63
    static let largestWindow = 8

    let isOn: Bool
    /// For each processor a ring of pages + 1, and where its next one goes.
    private var rings: Table<UInt32>
    private var next: Table<UInt8>

    init(_ context: PolicyContext) {
        isOn = context.policies.contains(.minimumDeltaPrefetch)
        rings = Table(count: isOn ? context.processors * Self.depth : 0, repeating: 0)
        next = Table(count: isOn ? context.processors : 0, repeating: 0)
    }

    private init(isOn: Bool, rings: consuming Table<UInt32>, next: consuming Table<UInt8>) {
        self.isOn = isOn
        self.rings = rings
        self.next = next
    }

    func copy() -> MinimumDeltaPrefetch { MinimumDeltaPrefetch(isOn: isOn, rings: rings.copy(), next: next.copy()) }

    var byteCount: Int { rings.byteCount + next.byteCount }

    /// A processor waits for `page`. The pages to ask for: bit i is `page + i`.
    mutating func advise(_ page: PageNumber, _ processor: UInt16) -> UInt64 {
        guard isOn else { return 0 }
        let place = Int(processor) % next.count
        let number = page.rawValue &+ 1
        var smallest: UInt32 = 0
        for index in 0..<Self.depth {
            let before = rings[place &* Self.depth &+ index]
            guard before != 0, before < number, Self.distances.contains(number &- before) else { continue }
            let distance = number &- before
            if smallest != 0, distance >= smallest { continue }
            if before > 2 &* distance, has(before &- distance, place), has(before &- 2 &* distance, place) { smallest = distance }
        }
        remember(number, place)
        guard smallest != 0 else { return 0 }
        var mask: UInt64 = 0
        var ahead = smallest
        while ahead <= Self.distances.upperBound, mask.nonzeroBitCount < Self.largestWindow {
            mask |= 1 << UInt64(ahead)
            // The processor will pass over it without a fault.
            remember(number &+ ahead, place)
            ahead &+= smallest
        }
        return mask
    }

    private func has(_ number: UInt32, _ place: Int) -> Bool {
        for index in 0..<Self.depth where rings[place &* Self.depth &+ index] == number { return true }
        return false
    }

    private mutating func remember(_ number: UInt32, _ place: Int) {
        rings[place &* Self.depth &+ Int(next[place])] = number
        next[place] = (next[place] &+ 1) % UInt8(Self.depth)
    }
}

extension PolicySet {
    /// `MinimumDeltaPrefetch`
    public static let minimumDeltaPrefetch = PolicySet(bit: 9)
}

extension MinimumDeltaPrefetch {
    static var description: PolicyDescription {
        PolicyDescription(
            .minimumDeltaPrefetch, "minimum-delta-prefetch",
            """
            a processor's faults at p, p + d, p + 2d, p + 3d, whatever lies between them, fetch p + 4d and on, \
            up to 63 pages away
            """,
            counters: ["strides_followed", "prefetches_issued", "prefetches_arrived", "prefetches_used", "prefetches_refused"])
    }
}
