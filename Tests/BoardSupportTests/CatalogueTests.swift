import BoardSupport
import Contract
import Foundation
import TestSupport
import Testing

/// Which boards a folder holds, and under which names and paths.
@Suite struct CatalogueTests {
    @Test func aFolderWithoutBoardsIsAnErrorThatSaysWhatWasLookedFor() throws {
        let scratch = ScratchFolder()
        try scratch.write("empty/schemas/board.yaml", "")
        try scratch.write("file", "")
        for (path, words) in [
            (scratch.path + "/empty", "no board there: looked for \(scratch.path)/empty/NAME/NAME.dts"), (scratch.path + "/absent", "no such folder"),
            (scratch.path + "/file", "no folder"), ("", "no such folder"),
        ] {
            let error = #expect(throws: BoardError.self) { try BoardCatalogue(path: path).names() }
            #expect(error?.exitStatus == .missingInput && error?.description.contains(words) == true, "\(path): \(String(describing: error))")
            let loaded = #expect(throws: BoardError.self) { try BoardCatalogue(path: path).load("b1") }
            #expect(loaded?.exitStatus == .missingInput)
        }
    }

    @Test(arguments: [
        ("b1/b2.dts", "b1/b1.dts"), ("b1/b1@x.dts", "b1/b1.dts"), ("b1.dts", "b1/b1.dts"), ("b1@x.dts", "b1/b1@x.dts"),
        ("B1/B1.dts", "a name of lower-case letters"), ("b 1/b 1.dts", "a name of lower-case letters"), ("b,1/b,1.dts", "a name of lower-case letters"),
    ])
    func misplacedSourcesAreFindings(file: String, expected: String) throws {
        let boards = try ScratchBoards([file: "/dts-v1/;\n", "qemu-q35/qemu-q35.dts": source(of: "qemu-q35")])
        let catalogue = BoardCatalogue(path: boards.path)
        let strays = try catalogue.strays()
        #expect(strays.map(\.rule) == ["source"] && strays.first?.file == "\(boards.path)/\(file)" && strays.first?.severity == .error)
        #expect(strays.first?.expected.contains(expected) == true, "\(strays)")
        #expect(try catalogue.names() == ["qemu-q35"] && catalogue.load("qemu-q35").warnings.isEmpty)
        let table = #expect(throws: BoardError.self) { try BoardTable(catalogue) }
        #expect(table?.exitStatus == .badInput)
    }

    @Test func aRevisionThatNobodyCouldStateIsAFinding() throws {
        let boards = try ScratchBoards(["qemu-q35/qemu-q35.dts": source(of: "qemu-q35"), "qemu-q35/qemu-q35@@b.dts": "/dts-v1/;\n"])
        let strays = try BoardCatalogue(path: boards.path).strays()
        #expect(strays.count == 1 && strays[0].expected.hasPrefix("NAME@REVISION"))
        #expect(try boards.names() == ["qemu-q35"])
    }

    @Test(arguments: ["qemu-q35@@b", "qemu-q35@", "@", "", "qemu-q35/", "../qemu-q35", "qemu-q35,b", "qemu q35", ".", "QEMU-Q35", "-qemu-q35"])
    func namesThatNoBoardHasAreRefusedByName(name: String) throws {
        let error = #expect(throws: BoardError.self) { try BoardCatalogue(path: boardsPath).load(name) }
        #expect(error?.exitStatus == .missingInput && error?.description.contains("qemu-q35") == true && error?.description.contains("\"\(name)\"") == true)
    }

    /// Folders may be called anything. Places stay exact, through includes and on the console.
    @Test(arguments: ["plain", "a, b", "-dash", "sp ace", "co:lon", "at@@at", "quote\"s", "m\u{fc}ll", "trailing/", "a,b:1:2"])
    func foldersOfAnyNameWork(name: String) throws {
        let scratch = ScratchFolder()
        let folder = name.hasSuffix("/") ? String(name.dropLast()) : name
        let parent = try source(of: "qemu-q35")
        try scratch.write("\(folder)/qemu-q35/qemu-q35.dts", parent)
        for (board, include) in [("one", "/include/"), ("two", "#include")] {
            try scratch.write(
                "\(folder)/\(board)/\(board).dts",
                "/dts-v1/;\n\(include) \"qemu-q35/qemu-q35.dts\"\n/ {\n\tcompatible = \"acme,\(board)\";\n\textends = \"qemu-q35\";\n};\n"
            )
            let catalogue = BoardCatalogue(path: "\(scratch.path)/\(name)")
            let values = try catalogue.load(board).values()
            #expect(values.first { $0.path == "/compatible" }?.origin == "\(scratch.path)/\(folder)/\(board)/\(board).dts:4")
            #expect(values.first { $0.path == "/processors/sockets" }?.extended == "qemu-q35", "\(board)")
        }
    }

    @Test func symbolicLinksAreFollowed() throws {
        let scratch = ScratchFolder()
        try scratch.write("real/qemu-q35/qemu-q35.dts", source(of: "qemu-q35"))
        try scratch.link("link", to: "real")
        try scratch.link("boards/qemu-q35", to: "../real/qemu-q35")
        for path in ["link", "link/", "boards"] {
            let catalogue = BoardCatalogue(path: "\(scratch.path)/\(path)")
            #expect(try catalogue.names() == ["qemu-q35"] && catalogue.strays().isEmpty)
            #expect(try catalogue.load("qemu-q35").board.name == "qemu-q35")
        }
        #expect(try Board.load(directory: scratch.path + "/boards/qemu-q35/").board.name == "qemu-q35")
    }
}
