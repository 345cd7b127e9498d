import BoardSupport
import Foundation
import TestSupport
import Testing

/// Where dt-validate is: the environment that tools/setup makes, or PATH.
let validator: String? = {
    let folders = [boardsPath + "/../build/python/bin"] + (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
    return folders.map { "\($0)/dt-validate" }.first { FileManager.default.isExecutableFile(atPath: $0) }
}()

@Suite struct SchemaTests {
    @Test func theSchemaInTheRepositoryIsTheBinding() throws {
        let text = try String(contentsOfFile: "\(boardsPath)/\(BoardBinding.schemaPath)", encoding: .utf8)
        #expect(text == BoardBinding.schema, "make it anew: vsmp board schema > boards/\(BoardBinding.schemaPath)")
    }

    /// Changes of a good board, and whether the binding still accepts it. What only relations refuse is good to a schema.
    static let corpus: [(old: String, new: String, isGood: Bool)] = [
        ("", "", true), ("guest-console = \"ttyS1\";", "", true), ("guest-console =", "guest-consle =", false),
        ("sockets = <2>;", "sockets = <64>;", true), ("sockets = <2>;", "sockets = <65>;", false),
        ("sockets = <2>;", "sockets = <0>;", false), ("sockets = <2>;", "sockets = \"two\";", false),
        ("sockets = <2>;", "sockets = <2 2>;", false), ("sockets = <2>;", "sockets;", false), ("sockets = <2>;", "", false),
        ("sockets = <2>;", "sockets = <2>;\n\t\tsockets-match = \"report\";", true),
        ("sockets = <2>;", "sockets = <2>;\n\t\tsockets-match = \"more\";", false),
        ("sockets = <2>;", "sockets = <2>;\n\t\tmatch = \"at-least\";", true), ("node-mib = <768 768>;", "node-mib = <768>;", true),
        ("node-mib = <768 768>;", "node-mib = <768 1>;", false), ("node-mib = <768 768>;", "node-mib = \"76\";", false),
        ("minimum-mib = <1792>;", "minimum-mib = <63>;", false), ("minimum-mib = <1792>;", "minimum-mib = <0x40000001>;", false),
        ("firmware-reserve-mib = <256>;", "", false), ("\tdriver = \"mlx4_core\";", "\tdriver = \"mlx4-core\";", false),
        ("\tdriver = \"mlx4_core\";", "\tdriver = \"a\", \"b\";", false), ("\tdriver = \"mlx4_core\";", "\tdriver = \"\";", false),
        ("pci-id = \"15b3:673c\";", "", true), ("pci-id = \"15b3:673c\";", "pci-id = \"15b3:673C\";", false),
        ("pci-id = \"15b3:673c\";", "pci-id = \"15b3:673c:1\";", false), ("pci-id = \"15b3:673c\";", "mtu = <1499>;", false),
        ("pci-id = \"15b3:673c\";", "mtu = <9216>;", true), ("technology = \"infiniband\";", "technology = \"tokens\";", false),
        ("technology = \"infiniband\";", "technology = \"roce\";", true), ("verbs-driver = \"mlx4_ib\";", "verbs-driver = \"rdma_rxe\";", true),
        ("verbs-driver = \"mlx4_ib\";", "verbs-driver = \"siw\";", false), ("rate-mbps = <40000>;", "rate-mbps = <999>;", false),
        ("subnet-manager = \"firmware\";", "subnet-manager = \"fabric\";", true), ("subnet-manager = \"firmware\";", "subnet-manager = \"opensm\";", false),
        ("rate-mbps = <40000>;", "rate-mbps = <800000>;\n\t\t\trate-mbps-match = \"at-least\";", true),
        ("kernel-modules = \"mlx4_core\", \"mlx4_ib\", \"ib_ipoib\", \"ib_umad\";", "kernel-modules = \"mlx4-core\";", false),
        ("kernel-modules = \"mlx4_core\", \"mlx4_ib\", \"ib_ipoib\", \"ib_umad\";", "kernel-modules = <1>;", false),
        ("infiniband0 {", "extra { };\n\t\tinfiniband0 {", false),
        ("infiniband0 {\n", "/delete-node/ infiniband0;\n\t\tinfiniband1 {\n", true), ("status = \"emulated\";", "", false),
        ("stick {", "interconnect {\n\t\t/delete-node/ infiniband0;\n\t};\n\n\tstick {", false),
        ("status = \"emulated\";", "status = \"okay\";", false), ("status = \"emulated\";", "status = \"certified\";", true),
        ("evidence = ", "evidences = ", false), ("vsmp,opteron", "VSMP,opteron", false),
        ("vsmp,opteron", "vsmp,also\", \"vsmp,opteron", true),
        ("compatible = \"vsmp,opteron-2008-infiniband\";", "compatible = \"opteron\";", false),
        ("model = \"Two", "revision = \"b.2-x\";\n\tmodel = \"Two", true), ("model = \"Two", "revision = \"b 2\";\n\tmodel = \"Two", false),
        ("model = \"Two", "extends = \"a@b\";\n\tmodel = \"Two", true), ("model = \"Two", "extends = \"../a\";\n\tmodel = \"Two", false),
        ("identity {", "identify {", false), ("system-product = \"Two-socket board of 2008\";", "system-product = <8>;", false),
        ("system-product =", "system-product-match = \"exact\";\n\t\tsystem-product =", true),
        ("system-product =", "system-product-match = \"at-least\";\n\t\tsystem-product =", false),
        ("firmware-console = \"ttyS0\"", "firmware-console = \"S0\"", false),
        ("firmware-console = \"ttyS0\"", "firmware-console = \"tty\"", false), ("baud-rate = <115200>", "baud-rate = <1199>", false),
        ("firmware = \"seabios\"", "firmware = \"seabios\", \"ovmf\"", true),
        ("firmware = \"seabios\"", "firmware = \"seabios\", \"seabios\"", false),
        ("firmware = \"seabios\"", "firmware = \"coreboot\"", false),
        ("lab {", "coherence { policies = \"all\", \"-aggregation\"; };\n\tlab {", true),
        ("lab {", "coherence { policies = \"fast\"; };\n\tlab {", false), ("lab {", "coherence { };\n\tlab {", false),
        ("lab {", "extra { };\n\tlab {", false), ("machine = \"q35\";", "", false),
        ("machine = \"q35\";", "machine = \"q35\", \"pc\";", false),
        ("interconnect-driver = \"e1000e\";", "", true),
        ("interconnect-driver = \"e1000e\";", "interconnect-driver = \"e-1000\";", false),
        ("stick {", "stick {\n\t\tspeed = <1>;", false), ("baud-rate = <115200>", "baud-rate = /bits/ 16 <1>", false),
    ]

    private func isAccepted(_ result: Result<CompiledBoard, BoardError>) -> Bool {
        let binding: Set = ["unknown-property", "unknown-node", "missing-property", "missing-node", "value"]
        return !result.findings.contains { binding.contains($0.rule) || $0.rule.hasPrefix("dtc:") }
    }

    @Test(arguments: corpus.indices)
    func theBindingDecidesTheCorpusAsIntended(index: Int) throws {
        let (old, new, isGood) = Self.corpus[index]
        let text = try source(of: "opteron-2008-infiniband")
        #expect(old.isEmpty || text.contains(old), "the corpus changes nothing at \(old)")
        let catalogue = try ScratchBoards(["b/b.dts": old.isEmpty ? text : text.replacingOccurrences(of: old, with: new)])
        #expect(isAccepted(catalogue.result("b")) == isGood, "\(old) -> \(new)")
    }

    /// Every board of the corpus and of the repository in one run of dt-validate: it complains about exactly those that we refuse.
    @Test(.enabled(if: validator != nil, "no dt-validate: tools/setup puts it into build/python"))
    func dtValidateAgreesOnTheWholeCorpus() throws {
        let scratch = ScratchFolder()
        var expected: [String: Bool] = [:]
        func add(_ label: String, _ text: String, _ isGood: Bool) throws {
            try scratch.write("s/\(label).dts", text)
            // Only what dtc makes a blob of can be compared.
            guard try run("dtc", ["-q", "-q", "-f", "-O", "dtb", "-o", "\(scratch.path)/\(label).dtb", "\(scratch.path)/s/\(label).dts"]).status == 0
            else { return }
            expected[label] = isGood
        }
        let text = try source(of: "opteron-2008-infiniband")
        for (index, (old, new, isGood)) in Self.corpus.enumerated() {
            try add("corpus\(index)", old.isEmpty ? text : text.replacingOccurrences(of: old, with: new), isGood)
        }
        // Sources that include others are read with the folder of boards.
        for name in try BoardCatalogue(path: boardsPath).names() where try !source(of: name).contains("/include/") { try add(name, try source(of: name), true) }
        #expect(expected.count > Self.corpus.count)
        let folder = boardsPath + "/schemas"
        let output = try run(try #require(validator), ["-s", folder, "-l", "vsmp/board", scratch.path])
        #expect(!output.text.contains("Traceback"), "\(output.text.suffix(2000))")
        for (label, isGood) in expected {
            let complaints = output.text.split(separator: "\n").filter { $0.contains("/\(label).dtb: ") }
            #expect(complaints.isEmpty == isGood, "\(label): \(complaints.joined(separator: "\n"))")
        }
        let checker = try #require(validator).replacingOccurrences(of: "dt-validate", with: "dt-doc-validate")
        let document = try run(checker, ["\(boardsPath)/\(BoardBinding.schemaPath)"])
        #expect(document.status == 0 && document.text.isEmpty, "\(document.text)")
    }

    private func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, text: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
    }
}
