import Bytes
import Testing

@Suite struct InputTextTests {
    private static let plain = "first=1\n\n# a comment\nsecond=zwei, größer\n"

    @Test(arguments: [
        plain, String(plain.dropLast()), plain.replacing("\n", with: "\r\n"), plain.replacing("\n", with: "\r"), "\u{FEFF}" + plain,
        "\u{FEFF}" + plain.replacing("\n", with: "\r\n").dropLast(),
    ])
    func lineEndsAMarkInFrontAndAMissingLastLineEndChangeNothing(text: String) throws {
        let read = try InputText(text.utf8, place: "a.conf")
        #expect(read.text == Self.plain)
        #expect(read.lines.map(\.number) == [1, 2, 3, 4] && read.lines[3].text == "second=zwei, größer")
    }

    @Test func mixedLineEndsCountOnce() throws {
        #expect(try InputText("a\r\n\r\nb\rc\n\rd".utf8, place: "x").lines.map(\.text) == ["a", "", "b", "c", "", "d"])
        #expect(try InputText("".utf8, place: "x").lines == [])
        #expect(try InputText("\u{FEFF}".utf8, place: "x").lines == [])
        #expect(try InputText("\n".utf8, place: "x").lines.map(\.text) == [""])
    }

    private static let refused: [(bytes: [UInt8], refusal: String)] = [
        (utf16("\u{FEFF}ab", .littleEndian), "a.conf: this is UTF-16 text; save it as UTF-8 and try again"),
        (utf16("\u{FEFF}ab", .bigEndian), "a.conf: this is UTF-16 text; save it as UTF-8 and try again"),
        (utf16("name=x", .littleEndian), "a.conf: this is UTF-16 text; save it as UTF-8 and try again"),
        (utf16("name=x", .bigEndian), "a.conf: this is UTF-16 text; save it as UTF-8 and try again"),
        (utf32("\u{FEFF}ab", .littleEndian), "a.conf: this is UTF-32 text; save it as UTF-8 and try again"),
        (utf32("name", .bigEndian), "a.conf: this is UTF-32 text; save it as UTF-8 and try again"),
        (utf8("ok\nn\u{0}l\n"), "a.conf:2: there is the control character U+0000 (null); take it out"),
        (utf8("\r\n\u{1B}[1m"), "a.conf:2: there is the control character U+001B (escape); take it out"),
        (utf8("a\u{85}"), "a.conf:1: there is the control character U+0085 (next line); take it out"),
        (utf8("ok\n") + [0x66, 0xFC, 0x72], "a.conf:2: there are bytes that are no UTF-8; save the file as UTF-8 and try again"),
        (utf8("ok\n") + [0xED, 0xA0, 0x80], "a.conf:2: there are bytes that are no UTF-8; save the file as UTF-8 and try again"),
        (
            utf8("ok\n" + String(repeating: "x", count: InputText.longestLine + 1)),
            "a.conf:2: the line has 65537 bytes, and 65536 are the most: is this the right file?"
        ),
    ]

    private static func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }
    private static func utf16(_ text: String, _ order: ByteOrder) -> [UInt8] { text.utf16.flatMap { $0.bytes(order) } }
    private static func utf32(_ text: String, _ order: ByteOrder) -> [UInt8] { text.unicodeScalars.flatMap { $0.value.bytes(order) } }

    @Test(arguments: refused)
    func whatIsNoPlainTextIsRefusedWithFileAndLine(bytes: [UInt8], refusal: String) {
        #expect { try InputText(bytes, place: "a.conf") } throws: { "\($0)" == refusal }
    }

    /// Whatever bytes there are: lines that together are the text, or an error.
    @Test func nothingTrapsOnRandomBytes() {
        var random = SplitMix(11)
        let likely: [UInt8] = [0x0A, 0x0D, 0xEF, 0xBB, 0xBF, 0xFF, 0xFE, 0x00, 0x3D, 0x23, 0x20, 0x61, 0xC3, 0xA9]
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                Bool.random(using: &random) ? likely.randomElement(using: &random)! : UInt8.random(in: .min ... .max, using: &random)
            }
            let lines = Array(ByteLines(bytes))
            #expect(lines.map(\.number) == Array(1..<lines.count + 1))
            #expect(!lines.contains { $0.bytes.contains(0x0A) || $0.bytes.contains(0x0D) })
            if let text = try? InputText(bytes, place: "x") { #expect(try! InputText(text.text.utf8, place: "x") == text) }
            for form in [KeyValueText.Form.edited, .exact] { _ = try? KeyValueText(bytes, place: "x", form) }
        }
    }
}
