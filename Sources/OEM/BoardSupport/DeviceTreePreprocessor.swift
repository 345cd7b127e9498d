import Bytes
internal import Platform

/// The C preprocessor, for sources that use `#include` and `#define` as those of Linux and U-Boot do. Its line markers (`# LINE "FILE"`) keep the
/// places of the source through dtc.
struct DeviceTreePreprocessor {
    /// The first that is installed is used; they understand the same options.
    var programs = ["cpp", "clang"]
    /// Those of dtc: a source can include a pipe here, too, or define what never ends.
    var limits: HostProgram.Limits

    /// Lines that are the preprocessor's. Properties such as `#address-cells` are not.
    private static let directives: Set<Substring> = [
        "include", "define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif", "error", "warning", "line", "pragma",
    ]

    static func isDirective(_ line: some StringProtocol) -> Bool {
        let rest = line.drop { $0 == " " || $0 == "\t" }
        guard rest.first == "#" else { return false }
        let text = rest.dropFirst().drop { $0 == " " || $0 == "\t" }
        let word = text.prefix { $0.isLetter || $0.isNumber || "_-,.+?".contains($0) }
        return directives.contains(Substring(word))
    }

    static func isNeeded(by text: String) -> Bool { text.split(whereSeparator: \.isNewline).contains { isDirective($0) } }

    /// - Parameters:
    ///   - source: path of the source.
    ///   - folders: where `#include` looks for what is not beside the including file.
    /// - Returns: a source for dtc, without directives.
    func run(on source: String, folders: [String]) throws(BoardError) -> [UInt8] {
        guard let program = programs.first(where: { HostProgram.locate($0) != nil }) else {
            throw .toolUnavailable(
                tool: programs[0], hint: "\(source) uses #include or #define: install the package \(HostProgram(programs[0]).package) and try again")
        }
        // The options of Linux's scripts/Makefile.lib: nothing of the C library, nothing predefined.
        let options = ["-E", "-nostdinc", "-undef", "-D__DTS__", "-x", "assembler-with-cpp"] + folders.flatMap { ["-I", $0] }
        let result: HostProgram.Result
        do {
            result = try HostProgram(program, limits: limits).result(options + [source])
        } catch {
            throw .toolUnavailable(tool: program, hint: error.description)
        }
        let findings = Self.findings(in: String(decoding: result.errors, as: UTF8.self), source)
        func mistake(_ rule: String, _ found: String) -> BoardError {
            .invalid([
                BoardFinding(
                    rule: rule, file: source, node: nil, found: found,
                    expected: "a source of which the preprocessor makes some MiB at once, and no device or pipe behind #include")
            ])
        }
        switch result.end {
        case .exit(.status(0)) where findings.isEmpty: return result.output
        case .timeLimit: throw mistake("cpp:limit", "\(program) still at work when its time was over")
        case .outputLimit: throw mistake("cpp:limit", "a source of more than \(limits.output >> 20) MiB when macros are replaced")
        case .exit(let exit):
            guard findings.isEmpty else { throw .invalid(findings) }
            throw mistake("cpp:error", "\(program) ended with \(exit)")
        }
    }

    /// From lines of the form `FILE:LINE:COLUMN: error: TEXT`, some without a column; `fatal error` and `warning` likewise. All others illustrate these.
    static func findings(in text: String, _ source: String) -> [BoardFinding] {
        text.split(separator: "\n").compactMap { line in
            for kind in ["error", "warning"] {
                guard let mark = line.firstRange(of: ": \(kind): ") ?? line.firstRange(of: ": fatal \(kind): ") else { continue }
                var words = line[..<mark.lowerBound].split(separator: ":", omittingEmptySubsequences: false)
                var numbers: [Int] = []
                while numbers.count < 2, words.count > 1, let number = words.last.flatMap({ Int($0) }) {
                    numbers.insert(number, at: 0)
                    words.removeLast()
                }
                return BoardFinding(
                    rule: "cpp:" + kind, file: numbers.isEmpty ? source : words.joined(separator: ":"), line: numbers.first,
                    column: numbers.count == 2 ? numbers[1] : nil, node: nil,
                    found: "a mistake that the preprocessor calls \"\(line[mark.upperBound...].trimmed)\"",
                    expected: "a source that the preprocessor accepts without warnings")
            }
            return nil
        }
    }
}
