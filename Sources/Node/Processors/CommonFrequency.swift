import Contract

/// One frequency for the guest's time-stamp counter, out of what the nodes' kernels and processors say of theirs and what was measured between
/// them. The ratio of two counters is measured; the frequency is what most opinions agree on once each is turned into node 0's ticks by its
/// ratio. A kernel that guessed wrong at its boot is outvoted.
struct CommonFrequency {
    /// Crystals of one frequency differ by less (each is within 20 to 100 millionths of what is printed on it); what is further off is another one.
    static let largestSlip = 500e-6
    /// Opinions that differ by less say the same, and a kernel that is off by more is wrong. Linux's quick calibration is good to less than that.
    static let tolerance = 0.01
    /// kHz that a server's counter may have; what lies outside counts only where nobody says otherwise.
    private static let plausible: ClosedRange<Double> = 500_000...10_000_000

    /// What somebody says of node 0's counter, in kHz.
    private struct Opinion {
        var value: Double
        var weight: Int
    }

    let kilohertz: UInt32
    /// A node whose counter runs at another speed than node 0's for certain, and its kHz.
    let odd: (node: NodeIndex, kilohertz: UInt32)?
    /// Nodes whose kernel is wrong, and the kHz that it should believe.
    let miscalibrated: [(node: NodeIndex, kilohertz: UInt32)]

    /// - Parameter hellos: by node; at least one.
    init(_ hellos: [NodeHello]) {
        // What a processor states comes from its maker, what a kernel believes from a timer: of two that contradict each other the first counts.
        var opinions: [Opinion] = []
        // Across an outage a ratio is measured badly; what it makes of a node's opinion is none.
        for hello in hellos where !Self.isVague(hello.counter) {
            for (kilohertz, weight) in [(hello.resources.timestampKilohertz, 2), (hello.counter.statedKilohertz, 3)] where kilohertz > 0 {
                opinions.append(Opinion(value: Double(kilohertz) * hello.counter.ratio, weight: weight))
            }
        }
        let voters = opinions.contains { Self.plausible.contains($0.value) } ? opinions.filter { Self.plausible.contains($0.value) } : opinions
        var best: [Opinion] = []
        for opinion in voters {
            let others = voters.filter { abs($0.value - opinion.value) <= Self.tolerance * opinion.value }
            if others.reduce(0, { $0 + $1.weight }) > best.reduce(0, { $0 + $1.weight }) { best = others }
        }
        let values = best.map(\.value).sorted()
        let reference = values.isEmpty ? Double(hellos[0].resources.timestampKilohertz) : values[values.count / 2]
        let kilohertz = UInt32(min(max(reference.rounded(), 1), Double(UInt32.max)))
        self.kilohertz = kilohertz
        func own(_ hello: NodeHello) -> UInt32 {
            let ratio = Self.isVague(hello.counter) ? 1 : hello.counter.ratio
            return UInt32(min(max((reference / ratio).rounded(), 1), Double(UInt32.max)))
        }
        let nodes = Array(zip(NodeIndex.all(of: hellos.count), hellos))
        odd = nodes.first { abs($0.1.counter.ratio - 1) - $0.1.counter.bound > Self.largestSlip }.map { ($0.0, own($0.1)) }
        miscalibrated = nodes.filter { Self.differs($0.1.resources.timestampKilohertz, own($0.1)) }.map { ($0.0, own($0.1)) }
    }

    /// Whether a ratio is known less well than opinions have to agree.
    private static func isVague(_ counter: CounterReading) -> Bool { counter.bound > tolerance * counter.ratio }

    /// Whether a kernel that believes `kilohertz` is wrong.
    static func differs(_ kilohertz: UInt32, _ measured: UInt32) -> Bool {
        abs(Double(kilohertz) - Double(measured)) > tolerance * Double(measured)
    }
}
