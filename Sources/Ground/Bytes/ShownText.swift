// What a console, a report or an error may show of somebody else's text.

/// Text of a peer as a console may show it: printable ASCII, at most `limit` characters.
package func sanitized(_ text: some Sequence<UInt8>, limit: Int) -> String {
    String(decoding: text.prefix(limit).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
}

/// Foreign text as an error may repeat it: at most 80 characters, `?` for what is not shown.
package func printable(_ text: some StringProtocol) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.prefix(80).map { $0.isShown ? $0 : "?" }))
}

/// What keeps `text` from being a name that people read, or nil: a control or format character that moves the cursor, turns the text
/// around or is not seen, by its name.
///
/// The joiners U+200C and U+200D are letters' business in Persian and in the scripts of India (Unicode 15, section 9.2 and chapter 12):
/// they are welcome behind a letter or a mark, where Unicode Standard Annex 31 has them.
package func problem(ofName text: some StringProtocol) -> String? {
    var previous: Unicode.Scalar?
    for (index, scalar) in text.unicodeScalars.enumerated() {
        defer { previous = scalar }
        if scalar.isShown || scalar.isJoiner && previous?.properties.isJoinable ?? false { continue }
        return "character \(index + 1) is \(scalar.codePoint)"
    }
    return nil
}

extension StringProtocol {
    /// Without blanks and line ends at both ends.
    package var trimmed: String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}

extension Unicode.Scalar {
    /// Neither control nor format character, nor anything else that moves a console's cursor or turns its text around.
    fileprivate var isShown: Bool {
        if value < 0x7f { return value >= 0x20 }
        return switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }

    fileprivate var isJoiner: Bool { value == 0x200C || value == 0x200D }

    /// `U+202E (right-to-left override)`.
    package var codePoint: String {
        let digits = String(value, radix: 16, uppercase: true)
        let name = Self.names[value] ?? Self.kinds[properties.generalCategory]
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + (name.map { " (\($0))" } ?? "")
    }

    /// Names of the Unicode Character Database, in small letters, of those that a name is most likely to have.
    private static let names: [UInt32: String] = [
        0x00: "null", 0x08: "backspace", 0x09: "tabulation", 0x0A: "line feed", 0x0B: "line tabulation", 0x0C: "form feed", 0x0D: "carriage return",
        0x1A: "substitute", 0x1B: "escape", 0x7F: "delete", 0x85: "next line", 0xAD: "soft hyphen", 0x061C: "arabic letter mark",
        0x180E: "mongolian vowel separator", 0x200B: "zero width space", 0x200C: "zero width non-joiner", 0x200D: "zero width joiner",
        0x200E: "left-to-right mark", 0x200F: "right-to-left mark", 0x2028: "line separator", 0x2029: "paragraph separator",
        0x202A: "left-to-right embedding", 0x202B: "right-to-left embedding", 0x202C: "pop directional formatting",
        0x202D: "left-to-right override", 0x202E: "right-to-left override", 0x2060: "word joiner", 0x2066: "left-to-right isolate",
        0x2067: "right-to-left isolate", 0x2068: "first strong isolate", 0x2069: "pop directional isolate", 0xFEFF: "byte order mark",
    ]

    private static let kinds: [Unicode.GeneralCategory: String] = [
        .control: "a control character", .format: "a format character", .privateUse: "a private character", .unassigned: "not assigned",
    ]
}

extension Unicode.Scalar.Properties {
    /// A letter or a mark: what a joiner may stand behind.
    fileprivate var isJoinable: Bool {
        switch generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark: true
        default: false
        }
    }
}
