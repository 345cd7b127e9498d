internal import Foundation
internal import Platform

/// A value as JSON with sorted keys, so that equal values give equal text.
///
/// - Parameter onOneLine: for a program that follows line by line.
package func jsonText(_ value: some Encodable, onOneLine: Bool = false) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if !onOneLine { encoder.outputFormatting.insert(.prettyPrinted) }
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// Prints a value as JSON for a program.
package func printJSON(_ value: some Encodable) throws { StandardOutput.print(try jsonText(value)) }
