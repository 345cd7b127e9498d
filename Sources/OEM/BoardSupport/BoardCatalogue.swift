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
    public let path: String

    public init(path: String = "boards") {
        self.path = path.withoutTrailingSlashes
    }

    /// Names of all boards, sorted, each with its revisions behind it. ``strays()`` has the sources that it leaves out.
    ///
    /// - Throws: also when there is no source at all.
    public func names() throws(BoardError) -> [String] {
        let entries = try entries()
        guard entries.isEmpty else { return entries.filter { $0.stray == nil }.map(\.name) }
        throw .missing(
            path: path, hint: "no board there: looked for \(path)/NAME/NAME.dts; name the folder that holds a folder for each board with --boards-path")
    }

    /// Sources that no name leads to.
    public func strays() throws(BoardError) -> [BoardFinding] { try entries().compactMap(\.stray) }

    /// A source below the folder of boards, with what is wrong where it has not the place that its name asks for.
    private struct Entry {
        var name: String
        var stray: BoardFinding?
    }

    private func entries() throws(BoardError) -> [Entry] {
        let files = SystemFiles()
        let hint = "name the folder that holds a folder for each board with --boards-path"
        guard let kind = FileKind(at: path) else { throw .missing(path: path.isEmpty ? "''" : path, hint: "no such folder; \(hint)") }
        guard kind == .folder else { throw .missing(path: path, hint: "no folder; \(hint)") }
        var entries: [Entry] = []
        for folder in files.names(in: path) {
            guard FileKind(at: "\(path)/\(folder)") == .folder else {
                guard folder.hasSuffix(".dts") else { continue }
                let name = folder.dropLast(4)
                entries.append(stray(folder, found: "a source outside a board's folder", expected: "\(path)/\(name.prefix { $0 != "@" })/\(folder)"))
                continue
            }
            let sources = files.names(in: "\(path)/\(folder)").filter { $0.hasSuffix(".dts") }
            if sources.contains(folder + ".dts") {
                entries += sources.filter { $0 == folder + ".dts" || $0.hasPrefix(folder + "@") }.map { source in
                    let name = String(source.dropLast(4))
                    guard let mistake = Self.mistake(inName: name) else { return Entry(name: name) }
                    return stray("\(folder)/\(source)", found: "a board called \"\(name)\"", expected: mistake)
                }
            } else if let source = sources.first {
                entries.append(
                    stray("\(folder)/\(source)", found: "no source \(folder).dts in the folder", expected: "\(path)/\(folder)/\(folder).dts"))
            }
        }
        return entries
    }

    private func stray(_ file: String, found: String, expected: String) -> Entry {
        Entry(name: file, stray: BoardFinding(.source, at: nil, orIn: "\(path)/\(file)", node: nil, found: found, expected: expected))
    }

    /// What a name is to be instead; nil for one that a board can have.
    private static func mistake(inName name: String) -> String? {
        let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if name.hasPrefix("-") || !isCompatible("vendor," + parts[0]) { return "a name of lower-case letters, digits, dashes and underscores, no dash first" }
        if parts.count > 1, !isRevision(parts[1]) { return "NAME@REVISION, the revision of letters, digits, dots and dashes" }
        return nil
    }

    /// Compiles and reads the board called `name`, or a revision of it: `name@rev`.
    public func load(_ name: String) throws(BoardError) -> CompiledBoard {
        let source = source(of: name)
        let mistake = Self.mistake(inName: name)
        guard mistake == nil, SystemFiles().exists(source) else {
            let names = try names()
            let known = names.isEmpty ? "see vsmp board lint" : "known boards are " + names.joined(separator: ", ")
            if let mistake { throw .missing(path: "board \"\(name)\" in \(path)", hint: "expected \(mistake); \(known)") }
            throw .missing(path: source, hint: known)
        }
        return try Self.compile(source: source, expectedName: name, includePath: path)
    }

    /// Compiles a source with dtc, every warning of dtc counted as a mistake, and reads the result. What uses `#include` or `#define` goes
    /// through the C preprocessor before.
    ///
    /// - Parameters:
    ///   - expectedName: the board's name, which must be the second part of its first `compatible` string, with its revision.
    ///   - includePath: where `/include/` and `#include` look for files that are not beside the source.
    public static func compile(source: String, expectedName: String? = nil, includePath: String? = nil) throws(BoardError) -> CompiledBoard {
        guard SystemFiles().exists(source) else { throw .missing(path: source, hint: "no such file") }
        let textFindings = BoardSupport.findings(inSource: source)
        guard textFindings.isEmpty else { throw .invalid(textFindings) }
        let compiler = try DeviceTreeCompiler(source: source, includePath: includePath)
        let deviceTree = try compiler.deviceTree()
        let map = try compiler.map()
        let board = try Board(deviceTree: deviceTree, file: source, map: map)
        if let expectedName {
            let findings = BoardLineage(board: board, source: source, name: expectedName, map: map).findings
            guard findings.isEmpty else { throw .invalid(findings) }
        }
        var checker = BindingChecker(file: source, map: map)
        return CompiledBoard(
            board: board, deviceTree: deviceTree, source: source, map: map, warnings: checker.warnings(about: board))
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
