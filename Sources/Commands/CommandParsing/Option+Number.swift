package import ArgumentParser
package import Bytes

/// Options that are numbers: every one has a range, which its help and its error name.
extension Option {
    /// - Parameters:
    ///   - unit: what is counted, in the plural.
    ///   - help: one sentence or more; the range is added.
    package init(
        wrappedValue: Value, name: NameSpecification = .long, in range: ClosedRange<Value>, unit: String = "", help: String, valueName: String? = nil
    ) where Value: FixedWidthInteger & Sendable {
        let number = BoundedNumber(range, unit: unit)
        // What looks like an option is the value, too: -1 is refused as a number.
        self.init(wrappedValue: wrappedValue, name: name, parsing: .unconditional, help: number.help(help, valueName), transform: number.parsed)
    }

    package init<Number>(
        name: NameSpecification = .long, in range: ClosedRange<Number>, unit: String = "", help: String, valueName: String? = nil
    ) where Value == Number?, Number: FixedWidthInteger & Sendable {
        let number = BoundedNumber(range, unit: unit)
        self.init(name: name, parsing: .unconditional, help: number.help(help, valueName), transform: number.parsed)
    }
}

extension BoundedNumber {
    /// Ends with `From 1 to 16.`
    package func help(_ text: String, _ valueName: String? = nil) -> ArgumentHelp {
        ArgumentHelp("\(text) From \(range.lowerBound) to \(range.upperBound).", valueName: valueName)
    }

    package func parsed(_ text: String) throws -> Number {
        guard let value = value(of: text) else { throw ValidationError("expected \(self)") }
        return value
    }
}
