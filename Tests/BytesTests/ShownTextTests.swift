import Bytes
import Testing

@Suite struct ShownTextTests {
    /// Names of people and firms, among them those whose spelling needs a zero-width joiner or non-joiner.
    @Test(arguments: ["Acme", "Größe & Söhne", "شرکت می\u{200C}سازد", "ക്ഷ ന്\u{200D}", "श्री क\u{094D}\u{200D}ष", "株式会社", "🚀 Rockets"])
    func namesOfEveryScriptAreNames(name: String) { #expect(problem(ofName: name) == nil) }

    @Test(arguments: [
        ("a\u{202E}b", "character 2 is U+202E (right-to-left override)"), ("\u{FEFF}a", "character 1 is U+FEFF (byte order mark)"),
        ("a\u{200B}", "character 2 is U+200B (zero width space)"), ("a\tb", "character 2 is U+0009 (tabulation)"),
        ("a\u{E000}", "character 2 is U+E000 (a private character)"), ("\u{200D}a", "character 1 is U+200D (zero width joiner)"),
        ("a \u{200C}b", "character 3 is U+200C (zero width non-joiner)"), ("a\u{200D}\u{200D}", "character 3 is U+200D (zero width joiner)"),
        ("a\u{E0041}", "character 2 is U+E0041 (a format character)"),
    ])
    func whatIsNotSeenOrTurnsTextAroundIsRefusedByName(name: String, expected: String) { #expect(problem(ofName: name) == expected) }

    @Test func foreignTextIsShownWithoutWhatMovesAConsole() {
        #expect(printable("a\u{1B}[2Jb\u{202E}") == "a?[2Jb?")
        #expect(printable(String(repeating: "x", count: 200)).count == 80)
        #expect(sanitized("a\u{7}é".utf8, limit: 3) == "a??")
    }
}
