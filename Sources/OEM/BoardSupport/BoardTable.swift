/// The table of boards in README.md.
public struct BoardTable: Sendable {
    public static let begin = "<!-- made by: vsmp board table --update README.md -->"
    public static let end = "<!-- end of the table -->"

    public var rows: [String]

    /// - Throws: what is wrong with a board.
    public init(_ catalogue: BoardCatalogue) throws(BoardError) {
        rows = []
        let strays = try catalogue.strays()
        guard strays.isEmpty else { throw .invalid(strays) }
        for name in try catalogue.names() {
            let compiled = try catalogue.load(name)
            let board = compiled.board
            let values = compiled.values(proof: catalogue.proof(of: name)).filter { $0.standing != .description }
            let processors = board.processors
            let ports = board.interconnect.map { port in
                port.driver + (port.verbsDriver.map { " (\(port.technology.rawValue), \($0.rawValue))" } ?? "")
            }
            rows.append(
                "| `\(name)` | \(board.model) | \(processors.sockets) x \(processors.coresPerSocket) x \(processors.threadsPerCore) "
                    + "| \(ports.joined(separator: ", ")) | \(board.status.rawValue) "
                    + "| \(board.evidence.map { "`\($0)`" }.joined(separator: ", ")) "
                    + "| \(values.count { $0.standing == .proven }) of \(values.count) |")
        }
    }

    public var text: String {
        """
        | board | model | sockets x cores x threads | interconnect drivers | status | evidence | values proven |
        |---|---|---|---|---|---|---|

        """ + rows.map { $0 + "\n" }.joined()
    }

    /// `document` with this table between the two marks; nil without marks.
    public func update(_ document: String) -> String? {
        guard let begin = document.firstRange(of: Self.begin), let end = document.firstRange(of: Self.end), begin.upperBound <= end.lowerBound
        else { return nil }
        return document[..<begin.upperBound] + "\n" + text + document[end.lowerBound...]
    }
}
