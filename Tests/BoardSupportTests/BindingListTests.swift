import Foundation
import TestSupport
import Testing

@testable import BoardSupport

/// The binding is the one list of properties: what is in it is read, asked of a computer, compared, captured and documented.
@Suite struct BindingListTests {
    /// A computer that answers every probe is captured; what its description states of each compared property is read from the source, compared
    /// with the computer, and differs when the computer answers nothing.
    @Test(arguments: BoardBinding.compared.map(\.path))
    func everyComparedPropertyIsCapturedReadProbedAndMatched(path: String) throws {
        let (_, property, comparison) = try #require(BoardBinding.compared.first { $0.path == path })
        let computer = try CaptureTests.computer()
        var capture = BoardCapture(root: computer.path)
        let text = try capture.source(vendor: "acme", name: "t9", evidence: "rack 7")
        #expect(text.contains("\t\(property.name) = "), "a capture does not state \(path)")
        if case .chosen(let reason) = comparison.capture { #expect(!reason.isEmpty) }

        let board = try ScratchBoards(["t9/t9.dts": text]).load("t9").board
        let field = try #require(property.field)
        #expect(field.value(board, 0) != nil && field.value(board, 0) != field.value(.withOnePort, 0), "\(path) is not read")
        let own = path.replacing("/PORT/", with: "/infiniband0/")
        let here = board.comparisons(with: HardwareInventory(root: computer.path)).first { $0.path == own }
        #expect(here?.outcome == .agrees && here?.rule == comparison.rule, "\(String(describing: here))")
        let nothing = board.comparisons(with: HardwareInventory(root: computer.path + "/absent")).first { $0.path == own }
        #expect(nothing?.outcome == .differs, "\(String(describing: nothing))")
    }

    @Test func everyComparedPropertyIsDocumentedAndInTheSchema() throws {
        let document = try String(contentsOfFile: boardsPath + "/../docs/boards.md", encoding: .utf8)
        let schema = try String(contentsOfFile: "\(boardsPath)/\(BoardBinding.schemaPath)", encoding: .utf8)
        #expect(BoardBinding.compared.count >= 13)
        for (path, property, comparison) in BoardBinding.compared {
            let node = path.dropLast(property.name.utf8.count + 1)
            #expect(document.contains("| `\(node)` | `\(property.name)` |") && document.contains("| `\(node)` | `\(property.name)-match` |"), "\(path)")
            #expect(document.contains("how `\(property.name)` is compared with the hardware; `\(comparison.rule.rawValue)` when absent"), "\(path)")
            #expect(schema.contains(" \(property.name):\n") && schema.contains(" \(property.name)-match:\n"), "\(path)")
        }
    }

    /// A property's name in the code is its entry in the list. Two more rooms know some: relations between values, and what a capture chooses.
    @Test func propertiesAreNamedInTheListOnly() throws {
        let folder = boardsPath + "/../Sources/OEM/BoardSupport"
        let others: Set = ["BoardBinding+Nodes.swift", "BindingChecker.swift", "BoardCapture.swift"]
        for file in try FileManager.default.contentsOfDirectory(atPath: folder) where !others.contains(file) {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            for (path, property, _) in BoardBinding.compared {
                #expect(!text.contains("\"\(property.name)\"") || property.name == "driver", "\(file) names \(path)")
            }
        }
        let capture = try String(contentsOfFile: "\(folder)/BoardCapture.swift", encoding: .utf8)
        for (path, _, comparison) in BoardBinding.compared {
            if case .chosen = comparison.capture { continue }
            #expect(!capture.contains("\"\(path)\""), "BoardCapture.swift names \(path)")
        }
    }

    /// Every value that a description can state arrives in the board, in the words of the source.
    @Test(arguments: ["qemu-q35", "qemu-q35-rxe", "opteron-2008-infiniband", "epyc-2024-ethernet", "bochs-i440fx"])
    func everyStatedPropertyIsRead(name: String) throws {
        let compiled = try BoardCatalogue(path: boardsPath).load(name)
        let tree = try DeviceTree(blob: compiled.deviceTree)
        func check(_ node: DeviceTree.Node, _ binding: BoardBinding.Node, port: Int) {
            for property in binding.properties {
                guard let stated = node.property(property.name), let field = property.field, !node.path.hasPrefix("/coherence") else { continue }
                let kept = field.value(compiled.board, port)
                // A stand-in's modules follow the port's own.
                if property.name == "kernel-modules", compiled.board.lab?.interconnectDriver != nil, port == 0, node.path.contains("/interconnect/") { continue }
                #expect(kept == property.kind.answer(of: stated), "\(node.path) \(property.name)")
            }
            for (index, child) in node.children.enumerated() {
                if let expected = binding.child(child.name) { check(child, expected, port: expected.name == nil ? index : 0) }
            }
        }
        check(tree.root, BoardBinding.root, port: 0)
    }
}

extension Board {
    /// Nothing is stated but that there is a port.
    fileprivate static var withOnePort: Board {
        var board = Board.blank
        board.interconnect = [.init(name: "ethernet0", driver: "", kernelModules: [])]
        return board
    }
}
