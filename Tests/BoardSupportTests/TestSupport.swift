import BoardSupport
import Foundation

/// A folder that disappears with the test.
final class ScratchFolder: Sendable {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "/vsmp-board-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file below the folder and makes the folders above it.
    func write(_ name: String, _ text: String) throws {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: url, atomically: false, encoding: .utf8)
    }

    func link(_ name: String, to target: String) throws {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: url.path, withDestinationPath: target)
    }
}

/// The repository's own folder of boards.
let boardsPath = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("boards").path

/// A folder of boards of one test, with the files that it was given by name below it.
final class ScratchBoards: Sendable {
    private let folder = ScratchFolder()
    var path: String { folder.path }

    init(_ files: [String: String]) throws {
        for (name, text) in files { try folder.write(name, text) }
    }

    func names() throws -> [String] { try BoardCatalogue(path: path).names() }
    func load(_ name: String) throws -> CompiledBoard { try result(name).get() }
    /// The findings of a board that must not load.
    func findings(_ name: String) -> [BoardFinding] { result(name).findings }
    func result(_ name: String) -> Result<CompiledBoard, BoardError> {
        Result { () throws(BoardError) in try BoardCatalogue(path: path).load(name) }
    }
}

func source(of board: String) throws -> String { try String(contentsOfFile: "\(boardsPath)/\(board)/\(board).dts", encoding: .utf8) }

/// The q35 description with a change, compiled in a scratch folder.
func compileChanged(_ change: (inout String) -> Void) throws -> Result<CompiledBoard, BoardError> {
    let scratch = ScratchFolder()
    var source = try String(contentsOfFile: boardsPath + "/qemu-q35/qemu-q35.dts", encoding: .utf8)
    change(&source)
    try scratch.write("qemu-q35/qemu-q35.dts", source)
    return Result { () throws(BoardError) in try BoardCatalogue(path: scratch.path).load("qemu-q35") }
}

extension Result where Success == CompiledBoard, Failure == BoardError {
    var findings: [BoardFinding] {
        if case .failure(.invalid(let findings)) = self { findings } else { [] }
    }
}
