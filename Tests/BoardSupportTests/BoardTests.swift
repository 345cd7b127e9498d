import Contract
import BoardSupport
import Coherence
import Foundation
import Testing

@Suite struct BoardTests {
    @Test func q35IsReadCompletely() throws {
        let board = try BoardCatalogue(path: boardsPath).load("qemu-q35").board
        #expect(board.name == "qemu-q35")
        #expect(board.vendor == "qemu")
        #expect(board.status == .emulated && !board.evidence.isEmpty)
        #expect(board.rule(for: "sockets", in: "/processors") == .atLeast)
        #expect(board.rule(for: "minimum-mib", in: "/memory") == .atLeast)
        #expect(board.rule(for: "firmware-console", in: "/consoles") == .exact)
        #expect(board.processors.count == 1)
        #expect(board.interconnect.map(\.driver) == ["virtio_net"])
        #expect(board.interconnect.map(\.name) == ["ethernet0"])
        #expect(board.interconnect.map(\.mtu) == [9000])
        #expect(board.consoles.firmware == "ttyS0")
        #expect(board.consoles.guest == "ttyS1")
        #expect(board.lab?.firmware == [.ovmf, .seabios])
        #expect(board.lab?.emulator == "qemu-system-x86_64")
        #expect(board.kernelModules.contains("usb_storage"))
        #expect(board.kernelModules.filter { $0 == "kvm" }.count == 1)
    }

    @Test func everyBoardInTheRepositoryIsValid() throws {
        let catalogue = BoardCatalogue(path: boardsPath)
        let names = try catalogue.names()
        #expect(!names.isEmpty)
        for name in names { _ = try catalogue.load(name) }
    }

    @Test func unknownPropertyIsRefusedWithItsPlace() throws {
        let findings = try compileChanged {
            $0 = $0.replacingOccurrences(of: "guest-console =", with: "guest-consle =")
        }.findings
        #expect(findings.count == 1)
        #expect(findings.first?.node == "/consoles")
        #expect(findings.first?.property == "guest-consle")
        #expect(findings.first?.expected.contains("guest-console") == true)
        #expect(findings.first?.file.hasSuffix("qemu-q35.dts") == true)
    }

    @Test func allMistakesAreCollected() throws {
        let findings = try compileChanged {
            $0 = $0.replacingOccurrences(of: "sockets = <1>", with: "sockets = \"one\"")
                .replacingOccurrences(of: "minimum-mib = <448>;", with: "")
                .replacingOccurrences(of: "driver = \"virtio_net\"", with: "driver = \"virtio-net\"")
                .replacingOccurrences(of: "\"ovmf\", \"seabios\"", with: "\"ovmf\", \"openbios\"")
                .replacingOccurrences(of: "lab {", with: "extra { };\n\tlab {")
        }.findings
        let places = findings.map { "\($0.node ?? "") \($0.property ?? "")" }
        #expect(
            Set(places) == [
                "/processors sockets", "/memory minimum-mib", "/interconnect/ethernet0 driver", "/lab firmware", "/extra ",
            ])
        let sockets = try #require(findings.first { $0.property == "sockets" })
        #expect(sockets.found == "\"one\"")
        #expect(sockets.expected == "one number from 1 to 64, as <N>")
    }

    @Test func syntaxErrorKeepsLineAndColumn() throws {
        let findings = try compileChanged {
            $0 = $0.replacingOccurrences(of: "cores-per-socket = <1>;", with: "cores-per-socket = <1>")
        }.findings
        #expect(findings.first?.line != nil)
        #expect(findings.first?.column != nil)
        #expect(findings.first?.found.contains("syntax error") == true)
    }

    @Test func warningsOfTheCompilerAreErrors() throws {
        let findings = try compileChanged {
            $0 = $0.replacingOccurrences(of: "ethernet0 {", with: "ethernet@0 {")
        }.findings
        #expect(findings.first?.node == "/interconnect/ethernet@0")
        #expect(findings.first?.line != nil)
    }

    @Test func relationsAreChecked() throws {
        let findings = try compileChanged {
            $0 = $0.replacingOccurrences(of: "guest-console = \"ttyS1\"", with: "guest-console = \"ttyS0\"")
                .replacingOccurrences(of: "memory-mib = <1024>", with: "memory-mib = <256>")
                .replacingOccurrences(of: "firmware-reserve-mib = <192>", with: "firmware-reserve-mib = <448>")
        }.findings
        #expect(Set(findings.compactMap(\.property)) == ["guest-console", "memory-mib", "firmware-reserve-mib"])
    }

    @Test func folderAndCompatibleMustAgree() throws {
        let findings = try compileChanged {
            $0 = $0.replacingOccurrences(of: "qemu,qemu-q35", with: "qemu,other")
        }.findings
        #expect(findings.first?.property == "compatible")
    }

    @Test func policiesAreReadFromLeftToRight() throws {
        #expect(try BoardCatalogue(path: boardsPath).load("qemu-q35").board.coherence == nil)
        for (list, expected) in [
            ("\"all\", \"-stride-prefetch\"", PolicySet.all.subtracting(.stridePrefetch)), ("\"none\"", .none),
            ("\"read-replication\", \"aggregation\"", [.readReplication, .aggregation]),
        ] {
            let board = try compileChanged {
                $0 = $0.replacingOccurrences(of: "lab {", with: "coherence { policies = \(list); };\n\tlab {")
            }.get().board
            #expect(board.coherence?.policies == expected)
            let json = try JSONEncoder().encode(board)
            #expect(String(decoding: json, as: UTF8.self).contains("\"policies\":["))
            #expect(try JSONDecoder().decode(Board.self, from: json) == board)
        }
    }

    @Test(arguments: ["\"all\", \"fast\"", "\"all,-stride-prefetch\"", "<1>", "\"\"", "\"-all\""])
    func anUnknownPolicyIsRefusedWithItsPlace(list: String) throws {
        let findings = try compileChanged {
            $0 = $0.replacingOccurrences(of: "lab {", with: "coherence { policies = \(list); };\n\tlab {")
        }.findings
        let finding = try #require(findings.first)
        #expect(findings.count == 1 && finding.node == "/coherence" && finding.property == "policies")
        #expect(finding.file.hasSuffix("qemu-q35.dts") && finding.expected.contains("\"refault-protection\""))
    }

    @Test func missingBoardNamesTheKnownOnes() {
        do {
            _ = try BoardCatalogue(path: boardsPath).load("no-such-board")
            Issue.record("a board that does not exist was loaded")
        } catch {
            #expect(error.exitStatus == .missingInput)
            #expect(error.description.contains("qemu-q35"))
        }
        #expect(throws: BoardError.self) { try BoardCatalogue(path: boardsPath).load("../boards/qemu-q35") }
    }

    @Test func theDocumentedBindingIsTheOneInTheCode() throws {
        let url = URL(fileURLWithPath: boardsPath).deletingLastPathComponent()
        let document = try String(contentsOfFile: url.path + "/docs/boards.md", encoding: .utf8)
        func check(_ node: BoardBinding.Node, path: String) {
            for property in node.properties {
                let row =
                    "| `\(path)` | `\(property.name)` | \(property.required ? "yes" : "no") | "
                    + "\(property.kind.expected.replacingOccurrences(of: "|", with: "\\|")) | \(property.meaning) |"
                #expect(document.contains(row), "docs/boards.md lacks the row\n\(row)")
            }
            for child in node.children {
                check(child, path: (path == "/" ? "/" : path + "/") + (child.name ?? "PORT"))
            }
        }
        check(BoardBinding.root, path: "/")
    }
}
