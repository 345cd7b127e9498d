internal import ArgumentParser
internal import Bytes
internal import CommandParsing

/// `1024` or `1024,1280,1024`.
package struct NumberList: Sendable {
    package let numbers: [Int]
}

extension Option where Value == NumberList? {
    /// - Parameter range: of each number.
    init(listOf range: ClosedRange<Int>, unit: String, help: String) {
        let number = BoundedNumber(range, unit: unit)
        self.init(parsing: .unconditional, help: number.help(help)) { text in
            NumberList(numbers: try text.split(separator: ",", omittingEmptySubsequences: false).map { try number.parsed(String($0)) })
        }
    }
}
