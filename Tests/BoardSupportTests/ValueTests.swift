import Contract
import BoardSupport
import Foundation
import Testing

@Suite struct ValueTests {
    private func value(_ path: String, _ values: [BoardValue]) throws -> BoardValue {
        try #require(values.first { $0.path == path }, "no value \(path)")
    }

    @Test func everyValueSaysWhereItComesFrom() throws {
        let compiled = try BoardCatalogue(path: boardsPath).load("opteron-2008-infiniband")
        let values = compiled.values()
        let lines = try source(of: "opteron-2008-infiniband").split(separator: "\n", omittingEmptySubsequences: false)
        for value in values where value.origin != "default" {
            let place = value.origin.split(separator: ":").compactMap { Int($0) }.last ?? 0
            let name = value.path.split(separator: "/").last ?? ""
            #expect(value.origin.hasPrefix(compiled.source + ":") && lines[place - 1].contains("\(name) = "), "\(value)")
        }
        let mtu = try value("/interconnect/infiniband0/mtu", values)
        #expect(mtu.value == "<1500>" && mtu.origin == "default" && mtu.extended == nil && mtu.standing == .unproven)
        #expect(try value("/memory/node-mib", values).value == "<768 768>")
        #expect(try value("/model", values).standing == .description)
    }

    @Test func whatABootSawIsProvenUntilItChanges() throws {
        let compiled = try BoardCatalogue(path: boardsPath).load("qemu-q35")
        let console = """
            [    1.0] vsmp: Brand firmware 0123456789ab for board qemu-q35, init at 1 s\r
            [    2.0] vsmp: board: seen /processors/sockets: the board has at least 1, this computer has 1\r
            vsmp: board: seen /interconnect/ethernet0/driver: the board has an interface with driver virtio_net, this computer has eth0\r
            vsmp: board: warning: /consoles/guest-console: the board has ttyS1, this computer has ttyS0
            """
        func standing(_ proof: BoardProof, _ path: String) throws -> BoardValue.Standing { try value(path, compiled.values(proof: proof)).standing }
        let proof = BoardProof(consoles: [console], includesLab: false, of: compiled)
        #expect(try standing(proof, "/processors/sockets") == .proven && standing(proof, "/processors/match") == .proven)
        #expect(try standing(proof, "/interconnect/ethernet0/technology") == .proven)
        #expect(try standing(proof, "/consoles/guest-console") == .unproven && standing(proof, "/lab/machine") == .unproven)
        #expect(try standing(BoardProof(parsing: proof.text), "/processors/sockets") == .proven, "the record can be read again")
        #expect(try standing(BoardProof(consoles: [], includesLab: true, of: compiled), "/lab/machine") == .proven)
        let changed = BoardProof(parsing: proof.text.replacingOccurrences(of: "sockets = <1>", with: "sockets = <2>"))
        #expect(try standing(changed, "/processors/sockets") == .unproven)
        #expect(BoardProof(parsing: "/ = \n/a\n = 1\n\u{0}").text.contains("/") && BoardProof(parsing: "").isEmpty)
    }

    /// A log of an older description, or of another rule, proves nothing of the one at hand; a newer log beside it does.
    @Test(arguments: [
        ("/processors/sockets", "the board has at least 2, this computer has 2"), ("/processors/sockets", "the board has exactly 1, this computer has 1"),
        ("/processors/sockets", "the board has at least 1"), ("/consoles/firmware-console", "the board has ttyS1, this computer has ttyS0, ttyS1"),
        ("/memory/firmware-reserve-mib", "1920 MiB kept"), ("/virtualization/amd-kernel-modules", "loaded: kvm kvm_amd more"),
        ("/virtualization/amd-kernel-modules", "loaded: kvm"), ("/identity/board-product", "the board has \"B\", this computer has \"B\""),
    ])
    func anOlderLogProvesNothingOfAChangedValue(path: String, words: String) throws {
        let compiled = try BoardCatalogue(path: boardsPath).load("qemu-q35")
        let old = "vsmp: board: seen \(path): \(words)\r\n"
        let proof = BoardProof(consoles: [old], includesLab: false, of: compiled)
        #expect(proof.isEmpty && proof.differing == [path: words])
        let now = """
            vsmp: board: seen /processors/sockets: the board has at least 1, this computer has 4
            vsmp: board: seen /consoles/firmware-console: the board has ttyS0, this computer has ttyS0
            vsmp: \(HardwareReport.reserveLine(of: compiled.board))
            vsmp: board: seen /virtualization/amd-kernel-modules: loaded: kvm kvm_amd

            """
        let both = BoardProof(consoles: [now, old], includesLab: false, of: compiled)
        #expect(both.differing.keys.allSatisfy { $0 == "/identity/board-product" })
        #expect(both.text.split(separator: "\n").count == 5, "\(both.text)")
    }

    /// Whatever a node says that it saw is what the description expects it to say.
    @Test func everythingThatANodeSaysProvesItsValue() throws {
        let compiled = try BoardCatalogue(path: boardsPath).load("opteron-2008-infiniband")
        let board = compiled.board
        var computer = HardwareInventory(
            sockets: board.processors.sockets, cores: board.processors.sockets * board.processors.coresPerSocket, threads: board.processors.count,
            memoryMiB: 1 << 20, networkInterfaces: [],
            serialPorts: ["ttyS0", "ttyS1"], memoryNodesMiB: [1 << 19, 1 << 19], identity: board.identity)
        computer.verbsPorts = [
            .init(device: "mlx4_0", number: 1, driver: "mlx4_core", pciID: "15b3:673c", isInfiniBand: true, rateMbps: 40_000, state: .active, interface: "ib0")
        ]
        computer.modules = board.kernelModules
        let report = HardwareReport(board: board, comparisons: board.comparisons(with: computer), hardware: computer)
        let said = report.lines.filter { if case .seen? = ConsoleEvent(sentence: $0) { true } else { false } }
        let proof = BoardProof(consoles: report.lines.map { ConsoleEvent.prefix + $0 }, includesLab: false, of: compiled)
        #expect(said.count > 10 && proof.differing.isEmpty && proof.text.split(separator: "\n").count == said.count + 1)
    }

    @Test func theTableOfBoardsInTheReadmeIsTheCommandsOwn() throws {
        let document = try String(contentsOfFile: boardsPath + "/../README.md", encoding: .utf8)
        let table = try BoardTable(BoardCatalogue(path: boardsPath))
        #expect(table.update(document) == document, "make it anew: vsmp board table --update README.md")
        #expect(table.rows.count >= 4 && table.update("no marks") == nil)
    }

    /// Evidence of the form SCRIPT:CHECK names a check that exists.
    @Test func evidenceOfTheRepositorysBoardsExists() throws {
        let catalogue = BoardCatalogue(path: boardsPath)
        for name in try catalogue.names() {
            for evidence in try catalogue.load(name).board.evidence {
                let parts = evidence.split(separator: ":")
                try #require(parts.count == 2, "\(name): \(evidence)")
                let script = try String(contentsOfFile: "\(boardsPath)/../\(parts[0])", encoding: .utf8)
                #expect(script.contains("check \(parts[1]) "), "\(name): \(parts[0]) has no check \(parts[1])")
            }
        }
    }
}
