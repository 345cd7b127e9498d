import Bytes
import Platform

/// Refuses what dtc would misread without a word or blame on another line: the one line reader's refusals, a byte order mark, and lines that end
/// with a carriage return alone, where a `//` comment would swallow all that follows. dtc itself reads LF and CR LF alike.
package func findings(inSource path: String) -> [BoardFinding] {
    guard let bytes = SystemFiles().bytes(path) else { return [] }
    func finding(_ line: Int?, _ found: String, _ expected: String) -> [BoardFinding] {
        [BoardFinding(rule: "source:text", file: path, line: line, node: nil, found: found, expected: expected)]
    }
    do throws(TextError) {
        _ = try InputText(bytes, place: path)
    } catch {
        return finding(error.line, error.problem, "plain UTF-8 text")
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return finding(1, "a byte order mark", "a source that begins with its first character: save it without the mark") }
    let loneReturn = bytes.indices.first { bytes[$0] == UInt8(ascii: "\r") && ($0 + 1 == bytes.count || bytes[$0 + 1] != UInt8(ascii: "\n")) }
    guard let loneReturn else { return [] }
    let line = bytes[..<loneReturn].count { $0 == UInt8(ascii: "\n") } + 1
    return finding(line, "a line that ends with a carriage return alone", "lines that end with LF or CR LF: save it with one of them")
}
