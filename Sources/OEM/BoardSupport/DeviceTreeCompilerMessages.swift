import Bytes

/// Turns what dtc prints on standard error into findings. dtc writes `FILE:LINE.COLUMN-...: Warning (CHECK): NODE:
/// TEXT` or `Error: FILE:LINE.COLUMN-... TEXT` (dtc's srcpos.c and checks.c).
enum DeviceTreeCompilerMessages {
    static func findings(in text: String, file: String) -> [BoardFinding] {
        let lines = text.split(separator: "\n").map { $0.trimmed }.filter { !$0.isEmpty }
        // A failed prerequisite and the final words only repeat that another message was printed.
        let own = lines.filter {
            !$0.contains("Failed prerequisite") && !$0.hasPrefix("FATAL ERROR") && !$0.hasPrefix("ERROR: Input tree has errors")
        }
        return (own.isEmpty ? lines : own).map { finding(in: $0, file: file) }
    }

    private static func finding(in line: String, file: String) -> BoardFinding {
        var rest = line[...]
        if rest.hasPrefix("Error: ") { rest = rest.dropFirst("Error: ".count) }
        var finding = BoardFinding(
            rule: "dtc:error", file: file, node: nil, found: line, expected: "a source that dtc compiles without warnings")
        if let place = Place(startOf: rest) {
            finding.file = place.file
            finding.line = place.line
            finding.column = place.column
            rest = place.rest
        } else if rest.hasPrefix(file + ":") {
            rest = rest.dropFirst(file.count + 1)
        }
        var message = rest.drop { $0 == ":" || $0 == " " }
        for kind in ["Warning (", "ERROR ("] where message.hasPrefix(kind) {
            finding.rule = "dtc:" + message.dropFirst(kind.count).prefix { $0 != ")" }
            message = message.drop { $0 != ")" }.dropFirst().drop { $0 == ":" || $0 == " " }
        }
        if message.hasPrefix("/") {
            let place = message.prefix { $0 != " " }.split(separator: ":")
            finding.node = place.first.map(String.init)
            finding.property = place.dropFirst().first.map(String.init)
            message = message.drop { $0 != " " }
        }
        let text = message.trimmed
        if !text.isEmpty { finding.found = "a mistake that dtc calls \"\(text)\"" }
        return finding
    }

    /// `FILE:LINE.COLUMN-COLUMN` or `FILE:LINE.COLUMN-LINE.COLUMN`, the file that of an include where the mistake is there.
    private struct Place {
        var file: String
        var line: Int
        var column: Int?
        var rest: Substring

        init?(startOf text: Substring) {
            for colon in text.indices where text[colon] == ":" {
                let after = text[text.index(after: colon)...]
                let position = after.prefix { $0.isASCII && $0.isNumber || $0 == "." || $0 == "-" }
                let start = position.prefix { $0 != "-" }.split(separator: ".")
                guard start.count == 2, colon > text.startIndex, let line = Int(start[0]) else { continue }
                file = String(text[..<colon])
                self.line = line
                column = Int(start[1])
                rest = after.dropFirst(position.count)
                return
            }
            return nil
        }
    }
}
