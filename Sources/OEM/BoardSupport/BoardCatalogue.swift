internal import Platform

/// A board together with the blob that goes into the image.
public struct CompiledBoard: Sendable, Equatable {
    public var board: Board
    /// The flattened device tree that dtc made from the source; `extends` and revisions are resolved in it.
    public var deviceTree: [UInt8]
    /// Path of the source.
    public var source: String
    /// Where its parts were written.
    public var map: DeviceTreeSourceMap
    /// What is no mistake but should be known.
    public var warnings: [BoardFinding]
}

/// The folder that holds one folder for each board: `boards/NAME/NAME.dts`, and `boards/NAME/NAME@REV.dts` for a revision.
public struct BoardCatalogue: Sendable {
    public var path: String

    public init(path: String = "boards") { self.path = path }

    /// Names of all boards, sorted, each with its revisions behind it.
    public func names() throws(BoardError) -> [String] {
        let files = SystemFiles()
        guard files.exists(path) else {
            throw .missing(path: path, hint: "no such folder; name the folder of your boards with --boards-path")
        }
        return files.names(in: path).filter { files.exists(source(of: $0)) && !$0.contains("@") }.flatMap { name in
            [name] + files.names(in: "\(path)/\(name)").filter { $0.hasPrefix(name + "@") && $0.hasSuffix(".dts") }.map { String($0.dropLast(4)) }
        }
    }

    /// Compiles and reads the board called `name`, or a revision of it: `name@rev`.
    public func load(_ name: String) throws(BoardError) -> CompiledBoard {
        let source = source(of: name)
        guard !name.isEmpty, !name.contains("/"), !name.hasPrefix("."), SystemFiles().exists(source) else {
            let known = (try? names()) ?? []
            throw .missing(
                path: source,
                hint: known.isEmpty
                    ? "there is no board in \(path)" : "known boards are " + known.joined(separator: ", "))
        }
        return try Self.compile(source: source, expectedName: name, includePath: path)
    }

    /// Compiles a source with dtc, every warning of dtc counted as a mistake, and reads the result.
    ///
    /// - Parameters:
    ///   - expectedName: the board's name, which must be the second part of its first `compatible` string, with its revision.
    ///   - includePath: where `/include/` looks for files that are not beside the source.
    public static func compile(source: String, expectedName: String? = nil, includePath: String? = nil) throws(BoardError) -> CompiledBoard {
        guard SystemFiles().exists(source) else { throw .missing(path: source, hint: "no such file") }
        let textFindings = BoardSupport.findings(inSource: source)
        guard textFindings.isEmpty else { throw .invalid(textFindings) }
        let include = includePath.map { ["-i", $0] } ?? []
        let deviceTree = try runCompiler(include + ["-I", "dts", "-O", "dtb", "-o", "-", source], on: source)
        let annotated = try runCompiler(include + ["-I", "dts", "-O", "dts", "-T", "-T", "-o", "-", source], on: source)
        let map = DeviceTreeSourceMap(annotated: String(decoding: annotated, as: UTF8.self))
        let board = try Board(deviceTree: deviceTree, file: source, map: map)
        if let expectedName {
            let findings = BoardLineage(board: board, source: source, name: expectedName, map: map).findings
            guard findings.isEmpty else { throw .invalid(findings) }
        }
        var checker = BindingChecker(file: source, map: map)
        return CompiledBoard(
            board: board, deviceTree: deviceTree, source: source, map: map, warnings: checker.warnings(about: board))
    }

    /// A source can include a device or a pipe, or ask for more cells than there is memory: that is a mistake of this board, and stops no other.
    private static let limits = HostProgram.Limits(time: .seconds(5), memory: 1 << 30, output: 64 << 20)

    private static func runCompiler(_ arguments: [String], on source: String) throws(BoardError) -> [UInt8] {
        let result: HostProgram.Result
        do {
            result = try HostProgram("dtc", limits: limits).result(arguments)
        } catch {
            throw .toolUnavailable(tool: "dtc", hint: error.description)
        }
        func mistake(_ rule: String, _ found: String, _ expected: String) -> BoardFinding {
            BoardFinding(rule: rule, file: source, node: nil, found: found, expected: expected)
        }
        let findings = DeviceTreeCompilerMessages.findings(in: String(decoding: result.errors, as: UTF8.self), file: source)
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

    /// The board whose source `file` is, from `.../NAME/NAME.dts` or `.../NAME/NAME@REV.dts`; nil for any other file.
    static func board(of file: String) -> String? {
        let parts = file.split(separator: "/")
        guard let last = parts.last, last.hasSuffix(".dts") else { return nil }
        let name = last.dropLast(4)
        guard parts.count < 2 || parts[parts.count - 2] == name.prefix(while: { $0 != "@" }) else { return nil }
        return String(name)
    }

    private func source(of name: String) -> String { "\(path)/\(name.prefix { $0 != "@" })/\(name).dts" }
}

/// Checks what a board says of its name, its revision and the board it extends against the files it was compiled from.
private struct BoardLineage {
    var board: Board
    var source: String
    /// NAME or NAME@REVISION.
    var name: String
    var map: DeviceTreeSourceMap

    private var folder: String { String(name.prefix { $0 != "@" }) }
    private var revision: String? { name == folder ? nil : String(name.dropFirst(folder.count + 1)) }

    var findings: [BoardFinding] { nameFindings + revisionFindings + extendsFindings }

    private var nameFindings: [BoardFinding] {
        guard board.name != folder else { return [] }
        return [
            finding(
                .name, "compatible", found: "\"\(board.compatible[0])\"",
                expected: "\"\(board.vendor),\(folder)\", because the folder is called \(folder)")
        ]
    }

    private var revisionFindings: [BoardFinding] {
        var findings: [BoardFinding] = []
        if board.revision != revision {
            findings.append(
                finding(
                    .revision, "revision", found: board.revision.map { "\"\($0)\"" } ?? "nothing",
                    expected: revision.map { "\"\($0)\", because the file is called \(name).dts" } ?? "no revision in \(name).dts"))
        }
        if revision != nil, !includes(folder) {
            findings.append(
                finding(
                    .revision, nil, found: "a revision that does not include its board",
                    expected: "/include/ \"\(folder).dts\" before everything else"))
        }
        return findings
    }

    private var extendsFindings: [BoardFinding] {
        let place = map.position(ofProperty: "extends", in: "/")
        // A board that is extended may itself extend one; then the property must still be this board's own.
        let isOwn = place.map { BoardCatalogue.board(of: $0.file).map { $0.prefix { $0 != "@" } } == folder[...] } ?? false
        let others = Set(map.files.compactMap(BoardCatalogue.board)).filter { $0.prefix { $0 != "@" } != folder }.sorted()
        if let parent = board.extends, isOwn {
            guard !includes(parent) else { return [] }
            return [
                finding(
                    .extends, "extends", found: "\"\(parent)\"",
                    expected: others.isEmpty
                        ? "/include/ \"\(Self.path(of: parent))\" before everything else"
                        : "the board that is included, \(others.map { "\"\($0)\"" }.joined(separator: " or "))")
            ]
        }
        guard let parent = others.last else { return [] }
        return [
            finding(
                .extends, "extends", found: board.extends.map { "\"\($0)\", of an included board" } ?? "nothing",
                expected: "extends = \"\(parent)\" in \(source), because its source is included")
        ]
    }

    private func includes(_ name: String) -> Bool { map.files.contains { BoardCatalogue.board(of: $0) == name } }

    private static func path(of name: String) -> String { "\(name.prefix { $0 != "@" })/\(name).dts" }

    private func finding(_ rule: BoardRule, _ property: String?, found: String, expected: String) -> BoardFinding {
        let place = property.flatMap { map.position(ofProperty: $0, in: "/") } ?? map.position(of: "/")
        return BoardFinding(rule, at: place, orIn: source, node: "/", property: property, found: found, expected: expected)
    }
}

extension Board {
    /// Compiles and reads the board whose folder is `directory` (`.../NAME`, holding `NAME.dts`).
    public static func load(directory: String) throws(BoardError) -> CompiledBoard {
        var parts = directory.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard let name = parts.popLast() else {
            throw .missing(path: directory, hint: "name the board's folder, for example boards/qemu-q35")
        }
        let parent = (directory.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
        return try BoardCatalogue(path: parent.isEmpty ? "." : parent).load(name)
    }
}
