import BoardSupport
import Foundation
import Testing

@Suite struct LintTests {
    /// Every kind of mistake with the line where it stands, in words of the source.
    @Test(arguments: [
        ("guest-console =", "guest-consle =", "guest-consle", BoardRule.unknownProperty, "guest-console"),
        ("sockets = <1>", "sockets = <0>", "sockets = <0>", .value, "one number from 1 to 64, as <N>"),
        ("minimum-mib = <448>;", "", "memory {", .missingProperty, "one number from 64 to 1073741824, as <N>"),
        ("stick {", "stik {", "stik {", .unknownNode, "stick"),
        ("firmware-reserve-mib = <192>", "firmware-reserve-mib = <448>", "firmware-reserve-mib", .relation, "less than minimum-mib <448>"),
        ("qemu,qemu-q35", "qemu,other", "compatible", .name, "\"qemu,qemu-q35\", because the folder is called qemu-q35"),
        ("model = \"QEMU", "revision = \"B\"; model = \"QEMU", "revision", .revision, "no revision in qemu-q35.dts"),
    ])
    func everyFindingHasItsLineItsRuleAndWhatToWrite(
        old: String, new: String, place: String, rule: BoardRule, expected: String
    ) throws {
        let text = try source(of: "qemu-q35").replacingOccurrences(of: old, with: new)
        let catalogue = try ScratchBoards(["qemu-q35/qemu-q35.dts": text])
        let line = text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains(place) }.map { $0 + 1 }
        let found = catalogue.findings("qemu-q35")
        let finding = try #require(found.first { $0.rule == rule.rawValue })
        #expect(finding.line == line && finding.column != nil && finding.severity == .error)
        #expect(finding.expected == expected && finding.file.hasSuffix("/qemu-q35.dts") && finding.node?.hasPrefix("/") == true)
        let text2 = finding.description
        #expect(text2.hasPrefix("\(finding.file):\(line ?? 0):") && text2.hasSuffix("[\(rule.rawValue)]") && text2.contains(": error: /"))
    }

    @Test(arguments: [
        ("interconnect-kernel-modules = \"e1000e\";", "", "interconnect-driver"),
        ("interconnect-driver = \"e1000e\";", "", "interconnect-kernel-modules"),
        ("node-mib = <768 768>", "node-mib = <768 1025>", "node-mib"), ("processors = <8>", "processors = <7>", "processors"),
        ("guest-console = \"ttyS1\"", "guest-console = \"ttyS0\"", "guest-console"),
        ("verbs-driver = \"mlx4_ib\";", "", ""),
        ("verbs-driver = \"mlx4_ib\";", "verbs-driver = \"mlx5_ib\";", "verbs-driver"),
        ("verbs-driver = \"mlx4_ib\";", "verbs-driver = \"rdma_rxe\";", "verbs-driver"),
        ("\tdriver = \"mlx4_core\";", "\tdriver = \"hfi1\";", "verbs-driver"), (", \"ib_ipoib\"", "", "kernel-modules"), (", \"ib_umad\"", "", "kernel-modules"),
        ("\"mlx4_ib\", \"ib_ipoib\"", "\"ib_ipoib\"", "kernel-modules"),
        ("\"ib_umad\";\n\t\t};", "\"ib_umad\";\n\t\t};\n\n\t\tother { driver = \"e1000e\"; kernel-modules = \"e1000e\"; };", "technology"),
    ])
    func contradictionsAreRelations(old: String, new: String, property: String) throws {
        let name = "opteron-2008-infiniband"
        let text = try source(of: name)
        try #require(text.contains(old))
        let boards = try ScratchBoards(["\(name)/\(name).dts": text.replacingOccurrences(of: old, with: new)])
        let found = boards.findings(name)
        #expect(found.map(\.rule) == ["relation"] && found.first?.property ?? "" == property && found.first?.line != nil, "\(found)")
    }

    @Test func memoryThatTwoBoardsDoNotHoldIsAnErrorWithFigures() throws {
        let text = try source(of: "qemu-q35").replacingOccurrences(of: "minimum-mib = <448>", with: "minimum-mib = <320>")
        let finding = try #require(try ScratchBoards(["qemu-q35/qemu-q35.dts": text]).findings("qemu-q35").first)
        #expect(finding.rule == "relation" && finding.property == "minimum-mib" && finding.line != nil && finding.severity == .error)
        #expect(finding.expected.hasPrefix("what two boards hold: at least <") && finding.expected.contains("(firmware-reserve-mib) 192"), "\(finding)")
        // The number that it names is enough.
        let least = finding.expected.split(separator: "<")[1].prefix { $0 != ">" }
        let mended = text.replacingOccurrences(of: "minimum-mib = <320>", with: "minimum-mib = <\(least)>")
        #expect(try ScratchBoards(["qemu-q35/qemu-q35.dts": mended]).findings("qemu-q35").isEmpty)
    }

    @Test func aMissingNodeHasItsParentsLine() throws {
        let text = "/dts-v1/;\n\n/ {\n\tcompatible = \"a,b\";\n};\n"
        let catalogue = try ScratchBoards(["b/b.dts": text])
        let finding = try #require(catalogue.findings("b").first { $0.rule == BoardRule.missingNode.rawValue })
        #expect(finding.line == 3 && finding.node == "/processors" && finding.expected == "a node processors { }")
    }

    /// A mistake in an included file is reported there, one in the including file here, by the binding and by dtc.
    @Test func placesAreKeptThroughIncludes() throws {
        let base = try source(of: "qemu-q35")
        let board = """
            /dts-v1/;
            /include/ "common.dtsi"
            / {
            \tprocessors { sockets = <99>; };
            };

            """
        let catalogue = try ScratchBoards([
            "qemu-q35/common.dtsi": base.replacingOccurrences(of: "baud-rate = <115200>", with: "baud-rate = <1>"), "qemu-q35/qemu-q35.dts": board,
        ])
        let found = catalogue.findings("qemu-q35")
        let places = Set(found.map { "\($0.file.split(separator: "/").last ?? "") \($0.line ?? 0) \($0.property ?? "")" })
        let baud = (base.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains("baud-rate") } ?? 0) + 1
        #expect(places == ["qemu-q35.dts 4 sockets", "common.dtsi \(baud) baud-rate"])
        let broken = try ScratchBoards([
            "qemu-q35/common.dtsi": base.replacingOccurrences(of: "ethernet0 {", with: "ethernet@0 {"), "qemu-q35/qemu-q35.dts": board,
        ])
        let finding = try #require(broken.findings("qemu-q35").first)
        #expect(finding.file.hasSuffix("/common.dtsi") && finding.line != nil && finding.rule == "dtc:unit_address_vs_reg")
    }

    /// Each finding says what to write instead.
    @Test(arguments: [
        ("verbs-driver = \"rdma_rxe\";", "", "verbs-driver = \"rdma_rxe\" for roce with driver virtio_net"),
        ("\"rdma_rxe\", \"crc32_generic\"", "\"rdma_rxe\"", "\"crc32_generic\" too, which rdma_rxe needs for roce"),
        ("technology = \"roce\"", "technology = \"infiniband\"", "a driver that has a verbs module: mlx4_core or mlx5_core for infiniband with driver virtio_net"),
        ("verbs-driver =", "subnet-manager = \"firmware\";\n\t\t\tverbs-driver =", "no subnet-manager: InfiniBand alone has one"),
        ("technology = \"roce\"", "technology = \"ethernet\"", "technology = \"roce\", or no verbs-driver"),
    ])
    func whatAPortWithVerbsLacksIsNamed(old: String, new: String, expected: String) throws {
        let text = try source(of: "qemu-q35-rxe")
        try #require(text.contains(old))
        let boards = try ScratchBoards([
            "qemu-q35/qemu-q35.dts": source(of: "qemu-q35"), "qemu-q35-rxe/qemu-q35-rxe.dts": text.replacingOccurrences(of: old, with: new),
        ])
        #expect(boards.findings("qemu-q35-rxe").map(\.expected) == [expected])
    }

    @Test func whatIsNotDrivenYetIsAWarningWithItsPlace() throws {
        let warnings = try BoardCatalogue(path: boardsPath).load("opteron-2008-infiniband").warnings
        let warning = try #require(warnings.first)
        #expect(warnings.count == 1 && warning.severity == .warning && warning.rule == "not-driven")
        #expect(warning.node == "/interconnect/infiniband0" && warning.line != nil && warning.description.contains(": warning: "))
        for board in ["qemu-q35", "epyc-2024-ethernet", "bochs-i440fx"] { #expect(try BoardCatalogue(path: boardsPath).load(board).warnings.isEmpty) }
    }

    @Test func everyRuleIsDocumented() throws {
        let document = try String(contentsOfFile: boardsPath + "/../docs/boards.md", encoding: .utf8)
        for rule in BoardRule.allCases {
            let row = "| `\(rule.rawValue)` | \(rule.meaning) |"
            #expect(document.contains(row), "docs/boards.md lacks the row\n\(row)")
        }
    }
}

@Suite struct ExtendsTests {
    private static let variant = """
        /dts-v1/;
        /include/ "qemu-q35/qemu-q35.dts"
        / {
        \tcompatible = "acme,big";
        \textends = "qemu-q35";
        \tmemory { minimum-mib = <512>; };
        };

        """

    private func catalogue(_ files: [String: String] = [:]) throws -> ScratchBoards {
        let all = ["qemu-q35/qemu-q35.dts": try source(of: "qemu-q35"), "big/big.dts": Self.variant]
        return try ScratchBoards(all.merging(files) { $1 })
    }

    @Test func aVariantIsItsParentWithOtherValues() throws {
        let catalogue = try self.catalogue()
        let compiled = try catalogue.load("big")
        #expect(compiled.board.memory.minimumMiB == 512 && compiled.board.vendor == "acme" && compiled.board.extends == "qemu-q35")
        #expect(compiled.board.interconnect.map(\.driver) == ["virtio_net"])
        #expect(try Board(deviceTree: compiled.deviceTree) == compiled.board, "the blob needs no other file")
        let values = compiled.values()
        let memory = try #require(values.first { $0.path == "/memory/minimum-mib" })
        #expect(memory.origin == "\(catalogue.path)/big/big.dts:6" && memory.extended == nil && memory.value == "<512>")
        let driver = try #require(values.first { $0.path == "/interconnect/ethernet0/driver" })
        #expect(driver.extended == "qemu-q35" && driver.origin.contains("/qemu-q35/qemu-q35.dts:"))
    }

    @Test func nodesAndPropertiesCanBeTakenOut() throws {
        let text = Self.variant.replacingOccurrences(
            of: "memory { minimum-mib = <512>; };", with: "consoles { /delete-property/ guest-console; };\n\t/delete-node/ lab;")
        let catalogue = try self.catalogue(["big/big.dts": text])
        let board = try catalogue.load("big").board
        #expect(board.lab == nil && board.consoles.guest == nil)
    }

    @Test func aVariantOfAVariantNamesItsOwnParent() throws {
        let bigger = "/dts-v1/;\n/include/ \"big/big.dts\"\n/ {\n\tcompatible = \"acme,bigger\";\n\textends = \"big\";\n};\n"
        let catalogue = try self.catalogue(["bigger/bigger.dts": bigger])
        #expect(try catalogue.load("bigger").board.memory.minimumMiB == 512)
        let wrong = try self.catalogue(["bigger/bigger.dts": bigger.replacingOccurrences(of: "\textends = \"big\";\n", with: "")])
        let finding = try #require(wrong.findings("bigger").first)
        #expect(finding.rule == "extends" && finding.found == "\"qemu-q35\", of an included board")
    }

    @Test(arguments: [
        ("\textends = \"qemu-q35\";\n", "", "nothing"), ("extends = \"qemu-q35\"", "extends = \"other\"", "\"other\""),
    ])
    func whatIsIncludedAndWhatIsStatedMustAgree(old: String, new: String, found: String) throws {
        let catalogue = try self.catalogue(["big/big.dts": Self.variant.replacingOccurrences(of: old, with: new)])
        let finding = try #require(catalogue.findings("big").first)
        #expect(finding.rule == "extends" && finding.found == found && finding.expected.contains("\"qemu-q35\"") && finding.line != nil)
    }

    @Test func extendsWithoutAnIncludeIsRefused() throws {
        let text = try source(of: "qemu-q35").replacingOccurrences(of: "\tmodel =", with: "\textends = \"parent\";\n\tmodel =")
        let catalogue = try ScratchBoards(["qemu-q35/qemu-q35.dts": text])
        #expect(catalogue.findings("qemu-q35").first?.expected == "/include/ \"parent/parent.dts\" before everything else")
    }

    @Test func aRevisionIsChosenByItsName() throws {
        let text = "/dts-v1/;\n/include/ \"qemu-q35.dts\"\n/ {\n\trevision = \"b2\";\n\tmemory { minimum-mib = <640>; };\n};\n"
        let catalogue = try ScratchBoards(["qemu-q35/qemu-q35.dts": try source(of: "qemu-q35"), "qemu-q35/qemu-q35@b2.dts": text])
        #expect(try catalogue.names() == ["qemu-q35", "qemu-q35@b2"])
        let board = try catalogue.load("qemu-q35@b2").board
        #expect(board.fullName == "qemu-q35@b2" && board.name == "qemu-q35" && board.memory.minimumMiB == 640)
        #expect(try catalogue.load("qemu-q35").board.memory.minimumMiB == 448)
        #expect(throws: BoardError.self) { try catalogue.load("qemu-q35@c") }
        let variant = try ScratchBoards([
            "qemu-q35/qemu-q35.dts": try source(of: "qemu-q35"), "qemu-q35/qemu-q35@b2.dts": text,
            "big/big.dts": Self.variant.replacingOccurrences(of: "qemu-q35.dts", with: "qemu-q35@b2.dts")
                .replacingOccurrences(of: "extends = \"qemu-q35\";", with: "extends = \"qemu-q35@b2\"; /delete-property/ revision;"),
        ])
        #expect(try variant.load("big").board.firmwareMemory == 192)
    }

    @Test(arguments: [("revision = \"b2\"", "revision = \"b3\""), ("revision = \"b2\";", ""), ("/include/ \"qemu-q35.dts\"", "/include/ \"copy.dtsi\"")])
    func aRevisionSaysItsNameAndIncludesItsBoard(old: String, new: String) throws {
        let text = "/dts-v1/;\n/include/ \"qemu-q35.dts\"\n/ {\n\trevision = \"b2\";\n};\n".replacingOccurrences(of: old, with: new)
        let base = try source(of: "qemu-q35")
        let catalogue = try ScratchBoards([
            "qemu-q35/qemu-q35.dts": base, "qemu-q35/copy.dtsi": base, "qemu-q35/qemu-q35@b2.dts": text,
        ])
        #expect(catalogue.findings("qemu-q35@b2").first?.rule == "revision")
    }

    /// A folder outside the repository that extends nothing of it, and one that includes a board by its path.
    @Test func foldersOutsideTheRepositoryWorkTheSame() throws {
        let text = Self.variant.replacingOccurrences(of: "qemu-q35/qemu-q35.dts", with: boardsPath + "/qemu-q35/qemu-q35.dts")
        let catalogue = try ScratchBoards(["big/big.dts": text])
        #expect(try catalogue.load("big").board.extends == "qemu-q35")
    }
}

extension Board {
    fileprivate var firmwareMemory: Int { memory.firmwareReserveMiB }
}
