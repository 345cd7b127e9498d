import Glibc
import Histogram

/// Durations in nanoseconds, kept to three digits.
struct Times {
    private var histogram = Histogram<UInt64>(highestTrackableValue: 10_000_000_000, numberOfSignificantValueDigits: .three)

    mutating func add(_ nanoseconds: Double) { _ = histogram.record(UInt64(max(nanoseconds, 1))) }

    mutating func add(_ other: Times) { histogram.add(other.histogram) }

    var count: UInt64 { histogram.totalCount }
    var mean: Double { histogram.mean }
    func percentile(_ percent: Double) -> Double { Double(histogram.valueAtPercentile(percent)) }
}

/// Median, and the range of the middle half.
struct Spread {
    let median: Double
    let quarters: (Double, Double)

    init(_ values: [Double]) {
        let sorted = values.sorted()
        func at(_ part: Double) -> Double { sorted[Int((Double(sorted.count - 1) * part).rounded())] }
        median = at(0.5)
        quarters = (at(0.25), at(0.75))
    }
}

/// A number of 0 or more with none, one or two digits behind the point.
func digits(_ value: Double, _ count: Int = 1) -> String {
    guard count > 0 else { return "\(Int(value.rounded()))" }
    let scale = count == 1 ? 10 : 100
    let scaled = Int((value * Double(scale)).rounded())
    let rest = String(scaled % scale)
    return "\(scaled / scale)." + String(repeating: "0", count: count - rest.count) + rest
}

func fail(_ text: String) -> Never {
    print("node-benchmark: \(text)")
    exit(1)
}
