/// The one parser of decimal numbers in options and files: a range, what is counted, and an error that names both.
package struct BoundedNumber<Number: FixedWidthInteger & Sendable>: Sendable, CustomStringConvertible {
    package let range: ClosedRange<Number>
    /// What is counted, in the plural: `days`, `MiB`; empty for plain numbers.
    package let unit: String

    package init(_ range: ClosedRange<Number>, unit: String = "") {
        self.range = range
        self.unit = unit
    }

    /// Nil when `text` is another number, or not spelled as `String(_:)` spells it: one number has one spelling.
    package func value(of text: some StringProtocol) -> Number? {
        guard let value = Number(text), String(value) == text, range.contains(value) else { return nil }
        return value
    }

    /// What is expected: `a number of days from 1 to 36500`.
    package var description: String {
        "a number\(unit.isEmpty ? "" : " of \(unit)") from \(range.lowerBound) to \(range.upperBound)"
    }
}
