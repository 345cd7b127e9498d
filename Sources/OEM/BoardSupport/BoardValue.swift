internal import Contract
import Bytes
internal import Platform
/// One property of a board as it counts, with where it comes from.
public struct BoardValue: Sendable, Equatable, Codable {
    /// Whether a test has seen the value at work.
    public enum Standing: String, Sendable, Codable {
        /// A boot saw this very value at work.
        case proven
        case unproven
        /// For people only: nothing could exercise it.
        case description
    }

    /// Path of the property.
    public var path: String
    /// As a person would write it in source.
    public var value: String
    /// `FILE:LINE`, or `default`.
    public var origin: String
    /// The board whose file that is, when it is another: the one that is extended.
    public var extended: String?
    public var standing: Standing
}

extension CompiledBoard {
    /// Every property in the binding's order, with the defaults of those that are absent.
    ///
    /// - Parameter proof: what boots have seen; nil when there is no record.
    public func values(proof: BoardProof? = nil) -> [BoardValue] {
        guard let tree = try? DeviceTree(blob: deviceTree) else { return [] }
        var values = Self.values(of: tree.root, BoardBinding.root, map, name: board.name)
        for index in values.indices {
            let value = values[index]
            if value.path.split(separator: "/").count == 1 {
                values[index].standing = .description
            } else if proof?.shows(value, among: values) == true {
                values[index].standing = .proven
            }
        }
        return values
    }

    private static func values(
        of node: DeviceTree.Node, _ binding: BoardBinding.Node, _ map: DeviceTreeSourceMap, name: String
    ) -> [BoardValue] {
        var values: [BoardValue] = []
        for expected in binding.properties {
            let path = joined(node.path, expected.name)
            if let property = node.property(expected.name) {
                let place = map.position(ofProperty: expected.name, in: node.path)
                let board = place.map { BoardCatalogue.board(of: $0.file).map { String($0.prefix { $0 != "@" }) } } ?? nil
                values.append(
                    BoardValue(
                        path: path, value: property.sourceText, origin: place?.description ?? "blob", extended: board == name ? nil : board,
                        standing: .unproven))
            } else if let standard = expected.standard {
                values.append(BoardValue(path: path, value: standard, origin: "default", standing: .unproven))
            }
        }
        for expected in binding.children {
            for child in node.children where expected.name == nil || child.name == expected.name {
                values += Self.values(of: child, expected, map, name: name)
            }
        }
        return values
    }
}

/// Which values boots of a board have seen at work: `boards/NAME/NAME.proven`, one `PATH = VALUE` a line.
public struct BoardProof: Sendable, Equatable {
    private var values: [String: String]
    /// What the consoles said of properties that they saw with another value or rule only, by path. Not part of the record.
    public private(set) var differing: [String: String] = [:]

    public init(parsing text: String) {
        values = [:]
        for line in ByteLines(Array(text.utf8)).map({ String(decoding: $0.bytes, as: UTF8.self) }) where line.hasPrefix("/") {
            guard let mark = line.firstRange(of: " = ") else { continue }
            values[String(line[..<mark.lowerBound])] = String(line[mark.upperBound...])
        }
    }

    /// Reads what a board's nodes said at boot. A line of another value, or of another rule, than the description's proves nothing of it.
    ///
    /// - Parameters:
    ///   - consoles: texts of firmware consoles.
    ///   - includesLab: whether the lab started these boards from the board's own lab node. No console names its values, so they count as they are.
    public init(consoles: [String], includesLab: Bool, of compiled: CompiledBoard) {
        let expected = HardwareReport.expectedWords(of: compiled.board)
        var seen: Set<String> = []
        for line in ByteLines(Array(consoles.joined(separator: "\n").utf8)).map({ String(decoding: $0.bytes, as: UTF8.self) }) {
            guard case .seen(let path, let said)? = ConsoleEvent(firmwareLine: line) else { continue }
            let words = said.trimmed
            if let wanted = expected[path], (words + "\n").hasPrefix(wanted) { seen.insert(path) } else { differing[path] = words }
        }
        values = [:]
        for value in compiled.values() where seen.contains(value.path) || includesLab && value.path.hasPrefix("/lab/") {
            values[value.path] = value.value
        }
        differing = differing.filter { !seen.contains($0.key) }
    }

    /// Full names of the boards for which the firmware was made whose console `text` is.
    public static func boards(saidOn text: String) -> Set<String> {
        Set(
            ByteLines(Array(text.utf8)).compactMap { line in
                if case .started(_, _, let board, _)? = ConsoleEvent(firmwareLine: String(decoding: line.bytes, as: UTF8.self)) { board } else { nil }
            })
    }

    /// Whether no boot was recorded.
    public var isEmpty: Bool { values.isEmpty }

    public var text: String {
        "# What boots have seen at work; made by `vsmp board prove`. A value that has changed since is unproven again.\n"
            + values.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)\n" }.joined()
    }

    /// A rule is at work when its property is.
    func shows(_ value: BoardValue, among all: [BoardValue]) -> Bool {
        if values[value.path] == value.value { return true }
        func isShown(_ path: String) -> Bool { all.contains { $0.path == path && values[path] == $0.value } }
        let node = value.path.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        if value.path.hasSuffix("-match") { return isShown(String(value.path.dropLast("-match".count))) }
        if value.path == "/processors/match" { return isShown("/processors/sockets") }
        return value.path.hasSuffix("/technology") && isShown(node + "/driver")
    }
}

extension BoardCatalogue {
    /// What boots of the board have seen; nil without a record.
    public func proof(of name: String) -> BoardProof? {
        SystemFiles().text(proofPath(of: name)).map(BoardProof.init(parsing:))
    }

    public func proofPath(of name: String) -> String { "\(path)/\(name.prefix { $0 != "@" })/\(name).proven" }
}
