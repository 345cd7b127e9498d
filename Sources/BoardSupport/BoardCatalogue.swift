internal import Glibc

/// A board together with the blob that goes into the image.
public struct CompiledBoard: Sendable, Equatable {
    public var board: Board
    /// The flattened device tree that dtc made from the source.
    public var deviceTree: [UInt8]
    /// Path of the source.
    public var source: String
}

/// The folder that holds one folder for each board: `boards/NAME/NAME.dts`.
public struct BoardCatalogue: Sendable {
    public var path: String

    public init(path: String = "boards") { self.path = path }

    /// Names of all boards, sorted.
    public func names() throws(BoardError) -> [String] {
        let files = SystemFiles()
        guard files.exists(path) else {
            throw .missing(path: path, hint: "no such folder; name the folder of your boards with --boards-path")
        }
        return files.names(in: path).filter { files.exists(source(of: $0)) }
    }

    /// Compiles and reads the board called `name`.
    public func load(_ name: String) throws(BoardError) -> CompiledBoard {
        let source = source(of: name)
        guard !name.isEmpty, !name.contains("/"), !name.hasPrefix("."), SystemFiles().exists(source) else {
            let known = (try? names()) ?? []
            throw .missing(
                path: source,
                hint: known.isEmpty
                    ? "there is no board in \(path)" : "known boards are " + known.joined(separator: ", "))
        }
        return try Self.compile(source: source, expectedName: name)
    }

    /// Compiles a source with dtc, every warning of dtc counted as a mistake, and reads the result.
    ///
    /// - Parameter expectedName: the board's name, which must be the second part of its first `compatible` string.
    public static func compile(source: String, expectedName: String? = nil) throws(BoardError) -> CompiledBoard {
        guard SystemFiles().exists(source) else { throw .missing(path: source, hint: "no such file") }
        let output: ExternalTool.Output
        do {
            output = try ExternalTool("dtc").run(["-I", "dts", "-O", "dtb", "-o", "-", source])
        } catch {
            throw .toolUnavailable(
                tool: "dtc", hint: "\(error); install it with: apt install device-tree-compiler")
        }
        let findings = DeviceTreeCompilerMessages.findings(in: output.standardError, file: source)
        guard findings.isEmpty, output.status == 0 else {
            let unexplained = BoardFinding(
                file: source, node: nil, found: "dtc ended with status \(output.status)",
                expected: "a source that compiles")
            throw .invalid(findings.isEmpty ? [unexplained] : findings)
        }
        let board = try Board(deviceTree: output.standardOutput, file: source)
        if let expectedName, board.name != expectedName {
            throw .invalid([
                BoardFinding(
                    file: source, node: "/", property: "compatible", found: "\"\(board.compatible[0])\"",
                    expected: "\"\(board.vendor),\(expectedName)\", because the folder is called \(expectedName)")
            ])
        }
        return CompiledBoard(board: board, deviceTree: output.standardOutput, source: source)
    }

    private func source(of name: String) -> String { "\(path)/\(name)/\(name).dts" }
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
