/// Judges perpetual litmus tests: each thread stores 1, 2, 3... so one run holds every pair of iterations, and the
/// forbidden outcome of x86-TSO (Intel SDM vol. 3A, 9.2.3; Sewell et al., "x86-TSO", CACM 2010) becomes a relation
/// between two sequences of loads. Sample `i` belongs to iteration `i + 1`. All are linear in the samples, because each
/// location's values may only rise, which is checked first.
package struct LitmusFinding: Equatable, Sendable {
    /// What TSO does not allow, when it was seen.
    package var violation: String?
    package var samples = 0
    /// Samples that differ from the one before: how often the threads really met.
    package var meetings = 0
    /// Samples where both loads missed the other's store (only store buffering).
    package var buffered = 0

    package init() {}

    private init(_ sequences: [UInt32]...) {
        for sequence in sequences {
            samples += sequence.count
            for (old, new) in zip(sequence, sequence.dropFirst()) {
                if new < old { violation = "a location went back from \(old) to \(new)" }
                if new != old { meetings += 1 }
            }
        }
    }

    package mutating func add(_ other: LitmusFinding) {
        violation = violation ?? other.violation
        samples += other.samples
        meetings += other.meetings
        buffered += other.buffered
    }

    /// The writer stores x = i, then y = i; the reader loads y, then x: x is never older.
    package static func messagePassing(y: [UInt32], x: [UInt32]) -> LitmusFinding {
        var finding = LitmusFinding(y, x)
        for (y, x) in zip(y, x) where x < y {
            finding.violation = finding.violation ?? "message passing: y = \(y) seen, then x = \(x)"
        }
        return finding
    }

    /// Each thread stores its own location, then (behind a fence, if `fenced`) loads the other's: not both old.
    package static func storeBuffering(_ a: [UInt32], _ b: [UInt32], fenced: Bool) -> LitmusFinding {
        var finding = LitmusFinding(a, b)
        guard finding.violation == nil else { return finding }
        for (index, seen) in a.enumerated() {
            // The other thread's first iteration that this load missed is the one most likely to have missed ours.
            let missed = Int(seen) + 1
            guard missed <= b.count, b[missed - 1] < index + 1 else { continue }
            finding.buffered += 1
            guard fenced, finding.violation == nil else { continue }
            finding.violation =
                "store buffering: iteration \(index + 1) saw \(seen), iteration \(missed) saw \(b[missed - 1])"
        }
        return finding
    }

    /// Each thread loads the other's location, then stores its own: not both new.
    package static func loadBuffering(_ a: [UInt32], _ b: [UInt32]) -> LitmusFinding {
        var finding = LitmusFinding(a, b)
        guard finding.violation == nil else { return finding }
        for (index, seen) in a.enumerated() where seen > 0 && seen <= b.count {
            let other = b[Int(seen) - 1]
            guard other >= index + 1 else { continue }
            finding.violation = "load buffering: iteration \(index + 1) saw \(seen), iteration \(seen) saw \(other)"
            break
        }
        return finding
    }

    /// Two writers, two readers which load in opposite orders: they agree about which store came first.
    package static func independentReads(
        xThenY first: (x: [UInt32], y: [UInt32]), yThenX second: (y: [UInt32], x: [UInt32])
    ) -> LitmusFinding {
        var finding = LitmusFinding(first.x, first.y, second.y, second.x)
        guard finding.violation == nil else { return finding }
        var index = 0
        for (x, y) in zip(first.x, first.y) {
            while index < second.y.count, second.y[index] <= y { index += 1 }
            guard index < second.y.count else { break }
            guard second.x[index] < x else { continue }
            finding.violation =
                "independent reads: one saw x = \(x) before y > \(y), the other y = \(second.y[index]) before x > "
                + "\(second.x[index])"
            break
        }
        return finding
    }
}
