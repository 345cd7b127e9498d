import Contract
import Foundation
import Platform
import TestSupport
import Testing

@testable import BoardSupport

@Suite struct PreprocessorTests {
    /// A board in the style of Linux: sizes in a header, its parent by #include, and a property whose name begins as a directive does.
    private static let board = """
        /dts-v1/;
        #include "sizes.h"
        #include "qemu-q35/qemu-q35.dts"

        / {
        \tcompatible = "acme,big"; // a board that isn't another
        \textends = "qemu-q35";
        #ifdef MORE_MEMORY
        \tmemory { minimum-mib = <MORE_MEMORY>; };
        #endif
        };

        """

    private func catalogue(_ board: String = board, sizes: String = "#define MORE_MEMORY (256 * 3)\n", _ more: [String: String] = [:]) throws -> ScratchBoards {
        let parent = try source(of: "qemu-q35").replacingOccurrences(of: "/dts-v1/;", with: "")
        return try ScratchBoards(
            ["qemu-q35/qemu-q35.dts": "/dts-v1/;\n" + parent, "big/big.dts": board, "big/sizes.h": sizes].merging(more) { $1 })
    }

    @Test func includesAndMacrosAreThoseOfC() throws {
        let boards = try catalogue()
        let compiled = try boards.load("big")
        #expect(compiled.board.memory.minimumMiB == 768 && compiled.board.extends == "qemu-q35")
        let values = compiled.values()
        #expect(values.first { $0.path == "/memory/minimum-mib" }?.origin == "\(boards.path)/big/big.dts:9")
        let driver = try #require(values.first { $0.path == "/interconnect/ethernet0/driver" })
        #expect(driver.extended == "qemu-q35" && driver.origin.contains("/qemu-q35/qemu-q35.dts:"))
    }

    /// Both kinds of inclusion in one source.
    @Test func includeOfTheDeviceTreeGoesOnWorking() throws {
        let boards = try catalogue(
            Self.board.replacingOccurrences(of: "#include \"qemu-q35/qemu-q35.dts\"", with: "/include/ \"qemu-q35/qemu-q35.dts\"\n/include/ \"own.dtsi\""),
            ["big/own.dtsi": "/ { memory { firmware-reserve-mib = <200>; }; };\n"])
        let board = try boards.load("big").board
        #expect(board.memory.minimumMiB == 768 && board.memory.firmwareReserveMiB == 200)
    }

    /// Findings keep file and line of what the person wrote, whoever finds the mistake.
    @Test(arguments: [
        ("#define MORE_MEMORY 1", Self.board, "big.dts", 9, "value"),
        ("#define MORE_MEMORY <", Self.board, "big.dts", 9, "dtc:error"),
        ("#include \"absent.h\"", Self.board, "sizes.h", 1, "cpp:error"),
        ("#define MORE_MEMORY 768\n#define MORE_MEMORY 769", Self.board, "sizes.h", 2, "cpp:warning"),
        ("#error not yet", Self.board, "sizes.h", 1, "cpp:error"),
        ("", Self.board.replacingOccurrences(of: "#endif", with: ""), "big.dts", 8, "cpp:error"),
        ("", Self.board.replacingOccurrences(of: "extends =", with: "extend ="), "big.dts", 7, "unknown-property"),
    ])
    func findingsKeepTheirPlaces(sizes: String, board: String, file: String, line: Int, rule: String) throws {
        let found = try catalogue(board, sizes: sizes + "\n").findings("big")
        let finding = try #require(found.first)
        #expect(finding.file.hasSuffix("/big/\(file)") && finding.line == line && finding.rule == rule, "\(found)")
    }

    @Test func aDirectiveBehindAnOrdinaryIncludeIsExplained() throws {
        let text = "/dts-v1/;\n/include/ \"sizes.h\"\n/ { };\n"
        let finding = try #require(try catalogue(text).findings("big").first)
        #expect(finding.file.hasSuffix("/sizes.h") && finding.line == 1 && finding.expected.hasPrefix("#include in place of /include/"), "\(finding)")
    }

    @Test(arguments: [
        ("#include \"a\"", true), (" # define X 1", true), ("\t#ifdef X", true), ("#endif", true), ("#address-cells = <1>;", false),
        ("#define-cells = <1>;", false), ("#size-cells;", false), ("/include/ \"a\"", false), ("x = \"#include\";", false),
    ])
    func directivesAreToldFromProperties(line: String, isDirective: Bool) {
        #expect(DeviceTreePreprocessor.isNeeded(by: "/dts-v1/;\n\(line)\n") == isDirective)
    }

    /// What the preprocessor would read or make for ever is a mistake of its own board.
    @Test(arguments: [
        "#include \"pipe\"", "#include \"/dev/zero\"",
        "#define A 1 1 1 1 1 1 1 1\n#define B A A A A A A A A\n#define C B B B B B B B B\n#define D C C C C C C C C\n#define E D D D D D D D D\n"
            + "#define F E E E E E E E E\n#define G F F F F F F F F\n#define H G G G G G G G G\n#define I H H H H H H H H\nx = <I>;",
        "#include \"b.dts\"",
    ])
    func boundlessSourcesAreFindings(text: String) throws {
        let boards = try ScratchBoards(["b/b.dts": "/dts-v1/;\n\(text)\n/ { };\n"])
        try HostProgram("mkfifo").run(["\(boards.path)/b/pipe"])
        let begun = ContinuousClock.now
        let found = boards.findings("b")
        #expect(!found.isEmpty && found.allSatisfy { $0.rule.hasPrefix("cpp:") && $0.file.hasSuffix("b.dts") }, "\(found)")
        #expect(ContinuousClock.now - begun < .seconds(30))
    }

    @Test func withoutAPreprocessorThePackageIsNamed() throws {
        let boards = try catalogue()
        let error = #expect(throws: BoardError.self) {
            try DeviceTreeCompiler(
                source: boards.path + "/big/big.dts", includePath: boards.path,
                preprocessor: DeviceTreePreprocessor(programs: ["cpp-that-is-not-there"], limits: DeviceTreeCompiler.limits))
        }
        #expect(error?.exitStatus == .unavailable && error?.description.contains("big.dts uses #include or #define: install the package ") == true)
        #expect(DeviceTreePreprocessor(limits: DeviceTreeCompiler.limits).programs == ["cpp", "clang"])
    }

    /// Where gcc's is missing, clang does the same.
    @Test(.enabled(if: HostProgram.locate("clang") != nil, "no clang"))
    func clangDoesTheSame() throws {
        let boards = try catalogue()
        func blob(_ program: String) throws -> [UInt8] {
            try DeviceTreeCompiler(
                source: boards.path + "/big/big.dts", includePath: boards.path,
                preprocessor: DeviceTreePreprocessor(programs: [program], limits: DeviceTreeCompiler.limits)
            ).deviceTree()
        }
        #expect(try blob("clang") == blob("cpp"))
    }
}
