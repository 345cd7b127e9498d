import Coherence

/// The device-tree binding of a board: every node and property that may occur. Reading, linting, comparing, capturing, the tables in
/// docs/boards.md and the schema in boards/schemas all come from this one list (``root``).
public struct BoardBinding: Sendable {
    public struct Node: Sendable {
        /// Name of the node; nil stands for "one node for each port, freely named".
        public var name: String?
        public var required: Bool
        public var properties: [Property]
        public var children: [Node] = []
        /// What it is for, in the schema.
        public var meaning: String = ""

        init(name: String?, required: Bool, properties: [Property], children: [Node] = [], meaning: String = "") {
            self.name = name
            self.required = required
            // Each property that is compared with hardware may have a rule of its own.
            self.properties = properties.flatMap { $0.comparison == nil ? [$0] : [$0, $0.ruleProperty] }
            self.children = children
            self.meaning = meaning
        }
    }

    public struct Property: Sendable {
        public var name: String
        public var kind: Kind
        public var required: Bool
        public var meaning: String
        /// Nil for a rule, which ``Board/rules`` holds.
        let field: Field?
        /// Nil for a value that is not compared with the hardware.
        public var comparison: Comparison?
        /// What counts when it is absent, as a person would write it in source.
        public var standard: String?

        init(
            _ name: String, _ kind: Kind, _ field: Field?, required: Bool = true, standard: String? = nil, _ meaning: String,
            compared comparison: Comparison? = nil
        ) {
            self.name = name
            self.kind = kind
            self.field = field
            self.required = required
            self.meaning = meaning
            self.comparison = comparison
            self.standard = standard
        }

        /// The property that states how this one is compared.
        var ruleProperty: Property {
            Property(
                name + "-match", .choice(kind.matchRules.map(\.rawValue)), nil, required: false,
                "how `\(name)` is compared with the hardware; `\((comparison?.rule ?? .exact).rawValue)` when absent")
        }
    }

    public enum Kind: Sendable, Equatable {
        case text
        /// Free texts for people.
        case texts
        /// `vendor,board` strings, lower case, at most four.
        case compatible
        case cell(ClosedRange<UInt32>)
        /// One number for each of something, at most `count`.
        case cells(ClosedRange<UInt32>, count: Int)
        case choice([String])
        case choices([String])
        /// A kernel's name for a driver: letters, digits, underscores.
        case driver
        /// Module names with underscores, in loading order.
        case modules
        /// A device name such as `ttyS0`.
        case serialPort
        /// Words of `PolicySet(parsing:)`, one a string.
        case policies
        /// NAME or NAME@REVISION.
        case board
        /// What follows the @ of a file's name.
        case revision
        /// Vendor and device as lspci -n prints them.
        case pciID

        /// What a reader is told to write.
        public var expected: String {
            switch self {
            case .text: "one string"
            case .texts: "one or more strings"
            case .compatible: "one to four strings of the form \"vendor,board\" in lower case"
            case .cell(let range): "one number from \(range.lowerBound) to \(range.upperBound), as <N>"
            case .cells(let range, let count):
                "one to \(count) numbers from \(range.lowerBound) to \(range.upperBound), as <N N>"
            case .choice(let choices): "one of " + choices.map { "\"\($0)\"" }.joined(separator: ", ")
            case .choices(let choices): "one or more of " + choices.map { "\"\($0)\"" }.joined(separator: ", ") + ", each once"
            case .driver: "one driver name of letters, digits and underscores"
            case .modules: "kernel module names of letters, digits and underscores"
            case .serialPort: "a serial port such as \"ttyS0\""
            case .policies:
                "one or more of " + (["all", "none"] + PolicySet.names).map { "\"\($0)\"" }.joined(separator: ", ")
                    + "; \"-NAME\" takes one out again"
            case .board: "the name of a board, or NAME@REVISION"
            case .revision: "one word of letters, digits, dots and dashes"
            case .pciID: "vendor and device in lower-case hexadecimal, as in \"8086:10d3\""
            }
        }

        /// More than expected makes sense of numbers only.
        var matchRules: [Board.MatchRule] {
            switch self {
            case .cell, .cells: [.exact, .atLeast, .report]
            default: [.exact, .report]
            }
        }

        /// What each string must match, as a regular expression of JSON Schema; nil for numbers and lists of choices.
        var pattern: String? {
            switch self {
            case .text, .texts: "^[^\\x00-\\x1f\\x7f]+$"
            case .compatible: "^[a-z0-9_-]+,[a-z0-9_-]+$"
            case .driver, .modules: "^[A-Za-z0-9_]{1,55}$"
            case .serialPort: "^tty[A-Za-z0-9_]{0,51}[0-9]$"
            case .board: "^[A-Za-z0-9][A-Za-z0-9_.-]*(@[A-Za-z0-9.-]+)?$"
            case .revision: "^[A-Za-z0-9.-]+$"
            case .pciID: "^[0-9a-f]{4}:[0-9a-f]{4}$"
            case .cell, .cells, .choice, .choices, .policies: nil
            }
        }

        /// The strings that may stand there, or nil when any that match `pattern` may.
        var words: [String]? {
            switch self {
            case .choice(let choices), .choices(let choices): choices
            case .policies: PolicySet.words
            default: nil
            }
        }

        var isList: Bool {
            switch self {
            case .texts, .compatible, .choices, .modules, .policies: true
            default: false
            }
        }

        /// The value of a property of this kind; nil when it is not of this kind.
        func answer(of property: DeviceTree.Property) -> BoardAnswer? {
            let answer: BoardAnswer? =
                switch self {
                case .cell: property.cells.flatMap { $0.count == 1 ? .number(Int($0[0])) : nil }
                case .cells: property.cells.map { .numbers($0.map(Int.init)) }
                default: property.strings.map { .texts($0) }
                }
            return answer.flatMap { accepts($0) ? $0 : nil }
        }

        /// Whether the value is of this kind.
        func accepts(_ answer: BoardAnswer) -> Bool {
            func isIn(_ range: ClosedRange<UInt32>, _ number: Int) -> Bool { UInt32(exactly: number).map(range.contains) ?? false }
            let strings: [String]
            switch (self, answer) {
            case (.cell(let range), .number(let number)): return isIn(range, number)
            case (.cells(let range, let count), .numbers(let numbers)):
                return (1...count).contains(numbers.count) && numbers.allSatisfy { isIn(range, $0) }
            case (_, .texts(let texts)): strings = texts
            default: return false
            }
            guard isList ? !strings.isEmpty : strings.count == 1 else { return false }
            if let words {
                guard strings.allSatisfy(words.contains) else { return false }
                if case .choices = self { return Set(strings).count == strings.count }
                return true
            }
            switch self {
            case .text, .texts: return true
            case .compatible: return strings.count <= 4 && strings.allSatisfy(isCompatible)
            case .driver, .modules: return strings.allSatisfy(isIdentifier)
            case .serialPort: return isSerialPort(strings[0])
            case .board: return isBoard(strings[0])
            case .revision: return isRevision(strings[0])
            case .pciID: return isPCIID(strings[0])
            default: return false
            }
        }
    }
}

private func isWord(_ text: some StringProtocol, and others: String) -> Bool {
    !text.isEmpty
        && text.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: others.utf8.contains($0)
            }
        }
}

func isIdentifier(_ text: String) -> Bool { isWord(text, and: "_") && text.utf8.count < 56 }

private func isSerialPort(_ text: String) -> Bool {
    isIdentifier(text) && text.hasPrefix("tty") && text.utf8.count > 3 && (text.utf8.last.map { $0 >= 0x30 && $0 <= 0x39 } ?? false)
}

private func isBoard(_ text: String) -> Bool {
    let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    return isWord(parts[0], and: "_.-") && isWord(parts[0].prefix(1), and: "") && (parts.count == 1 || isRevision(parts[1]))
}

func isRevision(_ text: some StringProtocol) -> Bool { isWord(text, and: ".-") }

private func isPCIID(_ text: String) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    return parts.count == 2
        && parts.allSatisfy { $0.utf8.count == 4 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) } }
}

func isCompatible(_ text: String) -> Bool {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    return parts.count == 2 && parts.allSatisfy { isWord($0, and: "_-") && $0 == $0.lowercased() }
}
