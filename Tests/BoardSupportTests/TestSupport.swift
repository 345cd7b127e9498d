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
