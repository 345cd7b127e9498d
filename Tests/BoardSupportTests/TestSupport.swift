import BoardSupport
import Foundation
import TestSupport

extension ScratchFolder {
    /// What /sys says of two sockets with two cores of two threads each.
    func writeTwoSockets() throws {
        for processor in 0..<8 {
            let folder = "sys/devices/system/cpu/cpu\(processor)/topology/"
            try write(folder + "physical_package_id", "\(processor / 4)\n")
            try write(folder + "core_id", "\(processor / 2 % 2)\n")
        }
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
