import Contract
import BoardSupport
import Foundation
import Platform
import Testing
import TestSupport

@Suite struct MalformedTests {
    /// The kinds of mistakes that dtc's own tests are about, each in a tree that is otherwise a board.
    @Test(arguments: [
        "", "/dts-v1/;", "/ { };", "/dts-v1/;\n/ {", "/dts-v1/;\n/ { x = <1; };", "/dts-v1/;\n/ { x = \"a; };", "/dts-v1/;\n/* without an end",
        "/dts-v1/;\n/include/ \"absent.dts\"\n", "/dts-v1/;\n/include/ \"b.dts\"\n/ { };", "/dts-v1/;\n/ { x = /incbin/(\"absent\"); };",
        "/dts-v1/;\n/ { a { }; a { }; };", "/dts-v1/;\n/ { x = <1>; x = <2>; };", "/dts-v1/;\n/ { a { }; a = <1>; };",
        "/dts-v1/;\n/ { x = <&absent>; };", "/dts-v1/;\n/ { x = &{/absent}; };", "/dts-v1/;\n&absent { };", "/dts-v1/;\n/ { l: a { }; l: b { }; };",
        "/dts-v1/;\n/ { a { phandle = <1>; }; b { phandle = <1>; }; };", "/dts-v1/;\n/ { a { phandle = <0>; }; };",
        "/dts-v1/;\n/ { a { reg = <1>; }; };", "/dts-v1/;\n/ { a@1 { }; };", "/dts-v1/;\n/ { a@1 { reg = <1>; }; a@01 { reg = <1>; }; };",
        "/dts-v1/;\n/ { #address-cells = <9>; a@1 { reg = [01]; }; };", "/dts-v1/;\n/ { x = <0x100000000>; };", "/dts-v1/;\n/ { x = <(1 / 0)>; };",
        "/dts-v1/;\n/ { x = /bits/ 7 <1>; };", "/dts-v1/;\n/ { x = [0]; };", "/dts-v1/;\n/ { x = 'ab'; };", "/dts-v1/;\n/ { x = \"\\xzz\"; };",
        "/dts-v1/;\n/memreserve/ 1 ;\n/ { };", "/dts-v1/;\n/plugin/;\n/ { fragment@0 { }; };", "/dts-v1/;\n/ { /delete-node/ absent; };",
        "/dts-v1/;\n/ { model = <1>; compatible = <2>; status = <3>; };", "/dts-v1/;\n/ { aliases { x = \"y\"; }; };",
        "/dts-v1/;\n/ { chosen { bootargs = <1>; }; };", "/dts-v1/;\n/ { a { b { chosen { }; }; }; };", "/dts-v1/;\n\u{0}\u{1}\u{ff}",
    ])
    func malformedSourcesAreFindings(text: String) throws {
        let catalogue = try ScratchBoards(["b/b.dts": text])
        let found = catalogue.findings("b")
        #expect(!found.isEmpty)
        for finding in found { #expect(!finding.rule.isEmpty && !finding.expected.isEmpty && !finding.file.isEmpty) }
    }

    /// What dtc would read or compute for ever, or until there is no memory left, is a mistake of its own board, and is found soon.
    @Test(arguments: [
        "/include/ \"pipe\"\n/ { };", "/ { x = /incbin/(\"pipe\"); };", "/ { x = /incbin/(\"/dev/zero\"); };",
        "/ { #address-cells = <0x7fffffff>; #size-cells = <0x7fffffff>; a@0 { reg = <0>; ranges = <0 0 0>; }; };",
    ])
    func boundlessSourcesAreFindings(text: String) throws {
        let catalogue = try ScratchBoards(["b/b.dts": "/dts-v1/;\n" + text, "qemu-q35/qemu-q35.dts": source(of: "qemu-q35")])
        try HostProgram("mkfifo").run(["\(catalogue.path)/b/pipe"])
        let begun = ContinuousClock.now
        let found = catalogue.findings("b")
        #expect(!found.isEmpty && found.allSatisfy { $0.file.hasSuffix("b.dts") && $0.rule.hasPrefix("dtc:") }, "\(found)")
        #expect(ContinuousClock.now - begun < .seconds(30))
        #expect(try catalogue.load("qemu-q35").board.name == "qemu-q35")
    }

    /// A pipe in the place of a source is not waited for.
    @Test func aPipeIsNoSource() throws {
        let catalogue = try ScratchBoards(["qemu-q35/qemu-q35.dts": source(of: "qemu-q35")])
        try HostProgram("mkdir").run(["\(catalogue.path)/b"])
        try HostProgram("mkfifo").run(["\(catalogue.path)/b/b.dts"])
        let error = #expect(throws: BoardError.self) { try catalogue.load("b") }
        #expect(error?.exitStatus == .missingInput && error?.description.contains("no plain file") == true)
    }

    @Test func deepAndWideTreesAreFindings() throws {
        let deep = String(repeating: "a { ", count: 200) + String(repeating: "}; ", count: 200)
        let wide = (0..<5000).map { "n\($0) { };" }.joined(separator: "\n")
        for text in [deep, wide] {
            let catalogue = try ScratchBoards(["b/b.dts": "/dts-v1/;\n/ {\n\(text)\n};\n"])
            #expect(!catalogue.findings("b").isEmpty)
        }
    }

    /// Bytes of a good source are removed, doubled and replaced at random: a board or findings come of it, never a crash. The seed of a
    /// failed run is in its argument.
    @Test(arguments: 1...60)
    func mutatedSourcesNeverCrash(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var bytes = Array(try source(of: "opteron-2008-infiniband").utf8)
        for _ in 0..<Int.random(in: 1...6, using: &generator) { mutate(&bytes, &generator) }
        let scratch = ScratchFolder()
        try scratch.write("b/b.dts", "")
        try Data(bytes).write(to: URL(fileURLWithPath: scratch.path + "/b/b.dts"))
        let result = Result { () throws(BoardError) in try BoardCatalogue(path: scratch.path).load("b") }
        // The name of the folder alone refuses every board that is whole.
        #expect(!result.findings.isEmpty)
    }

    @Test(arguments: 1...400)
    func mutatedBlobsNeverCrash(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var bytes = try #require(Self.blob)
        for _ in 0..<Int.random(in: 1...12, using: &generator) { mutate(&bytes, &generator) }
        do throws(BoardError) {
            let board = try Board(deviceTree: bytes)
            #expect(!board.name.isEmpty)
        } catch {
            #expect(error.exitStatus == .badInput)
        }
    }

    /// The annotated text is dtc's, but nothing is taken for granted in it.
    @Test(arguments: 1...200)
    func mutatedAnnotationsNeverCrash(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let line = "/ { /* a/b.dts:6:3-55:3, c.dts:3:3-13:3 */\n\tx = \"/* }; {\"; /* c.dts:4:2-4:21 */\n\tn { /* c.dts:5:1-6:2 */\n\t}; /* c.dts:6:1-6:2 */\n};\n"
        var bytes = Array((line + line).utf8)
        for _ in 0..<Int.random(in: 1...8, using: &generator) { mutate(&bytes, &generator) }
        let map = DeviceTreeSourceMap(annotated: String(decoding: bytes, as: UTF8.self))
        #expect(map.files.count < 20)
    }

    private static let blob = try? BoardCatalogue(path: boardsPath).load("opteron-2008-infiniband").deviceTree

    private func mutate(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        let end = min(bytes.count, place + Int.random(in: 1...24, using: &generator))
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
        case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2 where bytes.count > 64: bytes.removeSubrange(place..<end)
        case 3: bytes.insert(contentsOf: Array(bytes[place..<end]), at: Int.random(in: 0...bytes.count, using: &generator))
        default: bytes[place] = Array("{};\"<>/*=&@,:0\u{0}".utf8).randomElement(using: &generator) ?? 0
        }
    }
}
