import Bytes

/// Where each node and property of a compiled tree was written, read from dtc's annotated output (`dtc -O dts -T -T`). Included files keep
/// their own names, and a property that a later file replaced has the place of its replacement.
public struct DeviceTreeSourceMap: Sendable, Equatable {
    public struct Position: Sendable, Equatable, Codable, CustomStringConvertible {
        /// As dtc names it: as it was given, or as the include path found it.
        public var file: String
        /// Both count from 1.
        public var line: Int
        public var column: Int

        public init(file: String, line: Int, column: Int) {
            self.file = file
            self.line = line
            self.column = column
        }

        public var description: String { "\(file):\(line)" }
    }

    /// Every place that opens the node, included files first.
    private var nodes: [String: [Position]] = [:]
    private var properties: [String: Position] = [:]

    public init() {}

    /// Where the value of a property stands; nil for one that is not there.
    public func position(ofProperty name: String, in path: String) -> Position? { properties[path + ":" + name] }

    /// Where a node was opened last: in the file that a reader would change.
    public func position(of path: String) -> Position? { nodes[path]?.last }

    /// Every file that contributed something.
    public var files: Set<String> { Set(nodes.values.joined().map(\.file)).union(properties.values.map(\.file)) }

    /// - Parameter text: dtc's output. A line that has another form than dtc's is passed over: it costs a position, nothing else.
    public init(annotated text: String) {
        var names: [String] = []
        for whole in text.split(separator: "\n") {
            let line = whole.trimmed
            guard let mark = line.ranges(of: "/* ").last, line.hasSuffix("*/") else {
                if line.hasPrefix("};"), !names.isEmpty { names.removeLast() }
                if line.hasSuffix("{") { names.append(Self.name(line.dropLast().trimmed)) }
                continue
            }
            let code = line[..<mark.lowerBound].trimmed
            let places = Self.positions(line[mark.upperBound...].dropLast(2).trimmed)
            if code == "};" {
                if !names.isEmpty { names.removeLast() }
            } else if code.hasSuffix("{") {
                names.append(Self.name(code.dropLast().trimmed))
                nodes[Self.path(names)] = places
            } else if let place = places.last {
                let name = Self.name(code.prefix { $0 != "=" && $0 != ";" }.trimmed)
                properties[Self.path(names) + ":" + name] = place
            }
        }
    }

    private static func path(_ names: [String]) -> String {
        names.count < 2 ? "/" : names.dropFirst().map { "/" + $0 }.joined()
    }

    /// Without labels.
    private static func name(_ text: String) -> String { text.split(separator: " ").last.map(String.init) ?? text }

    /// `a.dts:6:3-55:3, b.dts:3:3-13:3`. A file's name may hold commas and colons.
    private static func positions(_ text: String) -> [Position] {
        var positions: [Position] = []
        var pending = ""
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            pending += pending.isEmpty ? String(part) : "," + part
            guard let position = position(pending.trimmed) else { continue }
            positions.append(position)
            pending = ""
        }
        return positions
    }

    /// FILE, first line, first column "-" last line, last column.
    private static func position(_ text: String) -> Position? {
        let words = text.split(separator: ":", omittingEmptySubsequences: false)
        guard words.count >= 4, let line = Int(words[words.count - 3]), Int(words[words.count - 1]) != nil,
            let column = Int(words[words.count - 2].prefix { $0 != "-" })
        else { return nil }
        return Position(file: words.dropLast(3).joined(separator: ":"), line: line, column: column)
    }
}
