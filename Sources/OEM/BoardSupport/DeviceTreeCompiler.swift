internal import Platform

/// dtc, with what it compiles.
struct DeviceTreeCompiler {
    private let source: String
    /// What dtc reads: the source itself, or what the preprocessor made of it.
    private let input: (name: String, bytes: [UInt8])
    private let include: [String]

    /// A source can include a device or a pipe, or ask for more cells than there is memory: that is a mistake of this board, and stops no other.
    static let limits = HostProgram.Limits(time: .seconds(5), memory: 1 << 30, output: 64 << 20)

    init(
        source: String, includePath: String?, preprocessor: DeviceTreePreprocessor = .init(limits: limits)
    ) throws(BoardError) {
        guard let kind = FileKind(at: source) else { throw .missing(path: source, hint: "no such file") }
        guard kind == .file, let bytes = SystemFiles().bytes(source) else {
            throw .missing(path: source, hint: kind == .file ? "check its permissions" : "it is no plain file, and a source is read several times")
        }
        self.source = source
        // A name that begins with a dash is no option.
        let name = source.hasPrefix("-") ? "./" + source : source
        let folder = name.lastIndex(of: "/").map { $0 == name.startIndex ? "/" : String(name[..<$0]) } ?? "."
        let folders = includePath.map { [$0.hasPrefix("-") ? "./" + $0 : $0] } ?? []
        guard DeviceTreePreprocessor.isNeeded(by: String(decoding: bytes, as: UTF8.self)) else {
            input = (name, [])
            include = folders.flatMap { ["-i", $0] }
            return
        }
        input = ("-", try preprocessor.run(on: name, folders: folders))
        // dtc looks beside what it reads, and that is standard input.
        include = ([folder] + folders).flatMap { ["-i", $0] }
    }

    /// The flattened tree.
    func deviceTree() throws(BoardError) -> [UInt8] { try run(["-O", "dtb"]) }

    /// Where everything in it was written.
    func map() throws(BoardError) -> DeviceTreeSourceMap {
        DeviceTreeSourceMap(annotated: String(decoding: try run(["-O", "dts", "-T", "-T"]), as: UTF8.self))
    }

    private func run(_ arguments: [String]) throws(BoardError) -> [UInt8] {
        let result: HostProgram.Result
        do {
            result = try HostProgram("dtc", limits: Self.limits).result(include + ["-I", "dts"] + arguments + ["-o", "-", input.name], input: input.bytes)
        } catch {
            throw .toolUnavailable(tool: "dtc", hint: error.description)
        }
        func mistake(_ rule: String, _ found: String, _ expected: String) -> BoardFinding {
            BoardFinding(rule: rule, file: source, node: nil, found: found, expected: expected)
        }
        let findings = DeviceTreeCompilerMessages.findings(in: String(decoding: result.errors, as: UTF8.self), file: source).map(explained)
        let inclusions = "and no device or pipe behind /include/ or /incbin/"
        switch result.end {
        case .exit(.status(0)) where findings.isEmpty: return result.output
        case .timeLimit:
            throw .invalid([mistake("dtc:limit", "dtc still at work after 5 s", "a source that compiles at once, \(inclusions)")])
        case .outputLimit:
            throw .invalid([mistake("dtc:limit", "a device tree of more than 64 MiB", "a smaller one, \(inclusions)")])
        case .exit(let exit):
            let unexplained = mistake("dtc:error", "dtc ended with \(exit)", "a source that compiles in 1 GiB of memory, \(inclusions)")
            throw .invalid(findings.isEmpty ? [unexplained] : findings)
        }
    }

    /// dtc knows no directives: a file that has some is one that `/include/` brought past the preprocessor.
    private func explained(_ finding: BoardFinding) -> BoardFinding {
        guard let line = finding.line, FileKind(at: finding.file) == .file, let text = SystemFiles().text(finding.file) else { return finding }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.indices.contains(line - 1), DeviceTreePreprocessor.isDirective(lines[line - 1]) else { return finding }
        var finding = finding
        finding.found = "a directive of the C preprocessor in a file that /include/ brings"
        finding.expected = "#include in place of /include/ wherever this file is included"
        return finding
    }
}
