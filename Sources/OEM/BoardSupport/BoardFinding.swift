public import Contract

/// One finding in a board's description: where it is, which rule it breaks, what stands there and what to write instead.
public struct BoardFinding: Sendable, Equatable, Codable, CustomStringConvertible {
    public enum Severity: String, Sendable, Codable {
        /// The description is refused.
        case error
        /// The description is used; a person should know.
        case warning
    }

    public var severity: Severity
    /// Which rule: `dtc:CHECK` for a check of dtc, `cpp:KIND` for one of the preprocessor, else one of ``BoardRule``.
    public var rule: String
    /// The file as the caller or an include named it.
    public var file: String
    /// Line and column in the source; both count from 1. Nil for a blob, and where nothing of the node is written.
    public var line: Int?
    public var column: Int?
    /// Path of the node, for example `/consoles`; nil when the source did not parse.
    public var node: String?
    public var property: String?
    public var found: String
    public var expected: String

    public init(
        severity: Severity = .error, rule: String, file: String, line: Int? = nil, column: Int? = nil, node: String?,
        property: String? = nil, found: String, expected: String
    ) {
        self.severity = severity
        self.rule = rule
        self.file = file
        self.line = line
        self.column = column
        self.node = node
        self.property = property
        self.found = found
        self.expected = expected
    }

    init(
        severity: Severity = .error, _ rule: BoardRule, at place: DeviceTreeSourceMap.Position?, orIn file: String, node: String?,
        property: String? = nil, found: String, expected: String
    ) {
        self.init(
            severity: severity, rule: rule.rawValue, file: place?.file ?? file, line: place?.line, column: place?.column, node: node,
            property: property, found: found, expected: expected)
    }

    /// `file:line:column: severity: node: property: found X, expected Y [rule]`, with the parts that are known.
    public var description: String {
        var place = file
        if let line { place += ":\(line)" }
        if let column { place += ":\(column)" }
        place += ": \(severity.rawValue)"
        if let node { place += ": \(node)" }
        if let property { place += ": \(property)" }
        return "\(place): found \(found), expected \(expected) [\(rule)]"
    }
}

/// The rules of the binding; docs/boards.md explains each.
public enum BoardRule: String, Sendable, CaseIterable {
    case unknownProperty = "unknown-property"
    case unknownNode = "unknown-node"
    case missingProperty = "missing-property"
    case missingNode = "missing-node"
    case value
    /// Two values that contradict each other. No schema language of device trees can say these.
    case relation
    /// The first `compatible` and the folder's name differ.
    case name
    case extends
    case revision
    /// Not where its name asks for.
    case source
    /// Not a tree at all.
    case blob
    /// Declared, but nothing of this SDK drives it yet.
    case notDriven = "not-driven"

    /// What it means, for docs/boards.md.
    public var meaning: String {
        switch self {
        case .unknownProperty: "a property that the binding does not have"
        case .unknownNode: "a node that the binding does not have"
        case .missingProperty: "a required property is absent; the place is its node's"
        case .missingNode: "a required node is absent; the place is its parent's"
        case .value: "a value of another kind or outside its range"
        case .relation: "two values contradict each other"
        case .name: "the first `compatible` does not name the folder"
        case .extends: "`extends` and the included board differ"
        case .revision: "`revision` and the file's name differ, or the file does not include its board"
        case .source: "a source that no board's name leads to: it is not NAME/NAME.dts or NAME/NAME@REVISION.dts below the folder of boards"
        case .blob: "not a device tree"
        case .notDriven: "declared, and never tried with such hardware; a warning"
        }
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
