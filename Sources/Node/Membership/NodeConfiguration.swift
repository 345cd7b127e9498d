package import Contract
package import BoardSupport
package import Coherence
import Interconnect

/// What a stick's VSMP-CONFIG partition says (docs/sticks.md): `machine.conf` and `cluster.key`.
package struct NodeConfiguration: Sendable {
    package enum FailureAction: String, Sendable {
        case powerOff = "poweroff"
        case wait
    }

    package var kit: String
    package var nodes: Int
    package var node: NodeIndex
    /// MiB lent to the machine; nil lends what memory there is.
    package var sliceMiB: Int?
    /// MiB for copies of other nodes' pages.
    package var cacheMiB: Int?
    /// Processors lent; nil lends all.
    package var processors: Int?
    package var onFailure = FailureAction.powerOff
    /// Coherence policies to start with; nil starts with the board's.
    package var policies: PolicySet?

    package init(kit: String, nodes: Int, node: NodeIndex) {
        self.kit = kit
        self.nodes = nodes
        self.node = node
    }

    /// The policies to start with: these, else the board's, else all.
    package func policies(on board: Board) -> PolicySet { policies ?? board.coherence?.policies ?? .standard }

    /// Reads `key=value` lines; blank lines and lines starting with # are skipped, everything else must be known.
    package init(parsing text: String, file: String) throws(NodeConfigurationError) {
        var values: [String: (line: Int, value: String)] = [:]
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" }).enumerated() {
            let trimmed = line.drop { $0 == " " }.prefix { $0 != "\r" }
            if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
            guard let equals = trimmed.firstIndex(of: "=") else {
                throw NodeConfigurationError(file, index + 1, "'\(trimmed)' is not of the form key=value")
            }
            let key = String(trimmed[..<equals])
            guard values[key] == nil else { throw NodeConfigurationError(file, index + 1, "'\(key)' is given twice") }
            values[key] = (index + 1, String(trimmed[trimmed.index(after: equals)...]))
        }
        func take(_ key: String) throws(NodeConfigurationError) -> (line: Int, value: String) {
            guard let found = values.removeValue(forKey: key) else {
                throw NodeConfigurationError(file, 0, "'\(key)=' is missing; write the stick again with vsmp usb write")
            }
            return found
        }
        func number(_ entry: (line: Int, value: String), _ range: ClosedRange<Int>, _ key: String) throws(NodeConfigurationError) -> Int {
            guard let value = Int(entry.value), range.contains(value) else {
                throw NodeConfigurationError(
                    file, entry.line, "\(key)=\(entry.value): expected a number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        kit = try take("kit").value
        nodes = try number(try take("nodes"), Limits.nodes, "nodes")
        node = NodeIndex(try number(try take("node"), 0...(nodes - 1), "node"))
        if let entry = values.removeValue(forKey: "slice-mib") { sliceMiB = try number(entry, Limits.sliceMiB, "slice-mib") }
        if let entry = values.removeValue(forKey: "cache-mib") { cacheMiB = try number(entry, Limits.cacheMiB, "cache-mib") }
        if let entry = values.removeValue(forKey: "processors") { processors = try number(entry, Limits.lentProcessors, "processors") }
        if let entry = values.removeValue(forKey: "on-failure") {
            guard let action = FailureAction(rawValue: entry.value) else {
                throw NodeConfigurationError(file, entry.line, "on-failure=\(entry.value): expected poweroff or wait")
            }
            onFailure = action
        }
        if let entry = values.removeValue(forKey: "policies") {
            do {
                policies = try PolicySet(parsing: entry.value)
            } catch {
                throw NodeConfigurationError(file, entry.line, "policies=\(entry.value): \(error)")
            }
        }
        if let (key, entry) = values.min(by: { $0.value.line < $1.value.line }) {
            throw NodeConfigurationError(file, entry.line, "unknown key '\(key)'")
        }
    }
}

/// A mistake in a stick's configuration: which file, which line (0: the whole file), what.
package struct NodeConfigurationError: Error, Sendable, CustomStringConvertible {
    package let file: String
    package let line: Int
    package let problem: String

    init(_ file: String, _ line: Int, _ problem: String) {
        self.file = file
        self.line = line
        self.problem = problem
    }

    package var description: String { line > 0 ? "\(file):\(line): \(problem)" : "\(file): \(problem)" }
}
