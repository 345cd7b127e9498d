/// One mistake in a board's description: where it is, what stands there and what was expected.
public struct BoardFinding: Sendable, Equatable, Codable, CustomStringConvertible {
    /// The file as the caller named it.
    public var file: String
    /// Line and column in the source, when dtc found the mistake; both count from 1.
    public var line: Int?
    public var column: Int?
    /// Path of the node, for example `/consoles`; nil when the source did not parse.
    public var node: String?
    public var property: String?
    public var found: String
    public var expected: String

    public init(
        file: String, line: Int? = nil, column: Int? = nil, node: String?, property: String? = nil, found: String,
        expected: String
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.node = node
        self.property = property
        self.found = found
        self.expected = expected
    }

    /// `file:line:column: node: property: found X, expected Y`, with the parts that are known.
    public var description: String {
        var place = file
        if let line { place += ":\(line)" }
        if let column { place += ":\(column)" }
        if let node { place += ": \(node)" }
        if let property { place += ": \(property)" }
        return "\(place): found \(found), expected \(expected)"
    }
}

/// Why a board could not be used.
public enum BoardError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Nothing to read there; `hint` says what to do.
    case missing(path: String, hint: String)
    /// A program needed to read it is not installed.
    case toolUnavailable(tool: String, hint: String)
    /// The description is wrong, in every place listed.
    case invalid([BoardFinding])

    public var exitStatus: ExitStatus {
        switch self {
        case .missing: .missingInput
        case .toolUnavailable: .unavailable
        case .invalid: .badInput
        }
    }

    public var description: String {
        switch self {
        case .missing(let path, let hint): "cannot read \(path): \(hint)"
        case .toolUnavailable(let tool, let hint): "cannot run \(tool): \(hint)"
        case .invalid(let findings): findings.map(\.description).joined(separator: "\n")
        }
    }
}
