/// A text that a person, an editor or another program wrote: the one reader of lines for every text that this SDK takes in.
///
/// Lines may end with LF, CR LF or CR, the last one with nothing, and a UTF-8 byte order mark may stand in front: none of that
/// changes the lines. Everything else that is no plain UTF-8 text is refused with its line: UTF-16 and UTF-32 by their name, bytes
/// that are no UTF-8, NUL and other control characters but tabs and the page breaks of licences, lines that are too
/// long.
package struct InputText: Sendable, Equatable {
    package struct Line: Sendable, Equatable {
        /// From 1.
        package let number: Int
        /// Without its end.
        package let text: String
    }

    /// The most bytes of a line unless a caller says otherwise.
    package static let longestLine = 64 << 10

    /// Names the text in errors: a file's name or path.
    package let place: String
    /// Every line, the empty ones too; none behind the last line end.
    package let lines: [Line]

    /// - Parameter longestLine: the most bytes of a line.
    package init(_ bytes: some Sequence<UInt8>, place: String, longestLine: Int = longestLine) throws(TextError) {
        let bytes = Array(bytes)
        if let encoding = ForeignEncoding(bytes) {
            throw TextError(place, "this is \(encoding.rawValue) text; save it as UTF-8 and try again")
        }
        var lines: [Line] = []
        for line in ByteLines(bytes) {
            func wrong(_ problem: String) -> TextError { TextError(place, line: line.number, problem) }
            guard line.bytes.count <= longestLine else {
                throw wrong("the line has \(line.bytes.count) bytes, and \(longestLine) are the most: is this the right file?")
            }
            guard let text = String(validating: line.bytes, as: UTF8.self) else {
                throw wrong("there are bytes that are no UTF-8; save the file as UTF-8 and try again")
            }
            if let control = text.unicodeScalars.first(where: { $0.properties.generalCategory == .control && !"\t\u{C}".unicodeScalars.contains($0) }) {
                throw wrong("there is the control character \(control.codePoint); take it out")
            }
            lines.append(Line(number: line.number, text: text))
        }
        self.place = place
        self.lines = lines
    }

    /// The lines, each with one LF behind it.
    package var text: String { lines.map { $0.text + "\n" }.joined() }

    /// - Returns: an error at `line` of this text.
    package func wrong(_ line: Line, _ problem: String) -> TextError { TextError(place, line: line.number, problem) }
}

/// Lines of bytes that are perhaps no text: what a console said, a mail around a licence. A UTF-8 byte order mark in front is left out.
package struct ByteLines: Sequence {
    package struct Line {
        /// From 1.
        package let number: Int
        /// Without its end: LF, CR LF or CR.
        package let bytes: ArraySlice<UInt8>
    }

    private let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package func makeIterator() -> some IteratorProtocol<Line> {
        var rest = bytes.starts(with: byteOrderMark) ? bytes.dropFirst(byteOrderMark.count) : bytes[...]
        var number = 0
        return AnyIterator {
            guard !rest.isEmpty else { return nil }
            let line = rest.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
            rest = rest[line.endIndex...]
            rest = rest.dropFirst(rest.starts(with: [UInt8(ascii: "\r"), UInt8(ascii: "\n")]) ? 2 : 1)
            number += 1
            return Line(number: number, bytes: line)
        }
    }
}

package let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

/// Encodings of text that are refused by their name. Without a byte order mark they are known by the zeros that ASCII text has in them.
package enum ForeignEncoding: String, Sendable {
    case utf16 = "UTF-16", utf32 = "UTF-32"

    /// Nil for every other text.
    package init?(_ bytes: [UInt8]) {
        let start = Array(bytes.prefix(4))
        if start == [0xFF, 0xFE, 0, 0] || start == [0, 0, 0xFE, 0xFF] {
            self = .utf32
        } else if start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF]) {
            self = .utf16
        } else if start.count == 4, start.map({ $0 == 0 }) == [false, true, true, true] || start.map({ $0 == 0 }) == [true, true, true, false] {
            self = .utf32
        } else if start.count == 4, start.map({ $0 == 0 }) == [false, true, false, true] || start.map({ $0 == 0 }) == [true, false, true, false] {
            self = .utf16
        } else {
            return nil
        }
    }
}
