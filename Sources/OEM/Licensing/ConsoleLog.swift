import Bytes

/// Finds requests in what somebody recorded of a board's console.
///
/// Recorders put a time or a name in front of each line, terminals colour it (ECMA-48 control sequences), other messages come between, and a reset cuts
/// a block off wherever it is. The base64 of a request has lines of 64 characters without blanks, and its seal finds every mistake, so a line's last
/// word is enough. Mail programs may have wrapped the lines anew.
public enum ConsoleLog {
    private static let label = Envelope.Kind.request.label

    /// The last whole request: a board that started several times said it several times.
    ///
    /// - Parameter place: names the log in errors.
    /// - Returns: nil where no request begins.
    /// - Throws: ``LicensingError`` where requests begin and none is whole.
    public static func lastRequest(in log: [UInt8], place: String) throws(LicensingError) -> LicenceRequest? {
        var last: LicenceRequest?
        var begun: Int?
        var open: [[UInt8]]?
        for (index, raw) in log.split(omittingEmptySubsequences: false, whereSeparator: { $0 == UInt8(ascii: "\n") }).enumerated() {
            let line = plain(raw)
            if ends(line, "-----BEGIN \(label)-----") {
                (open, begun) = ([], index + 1)
            } else if ends(line, "-----END \(label)-----") {
                if let words = open, let request = request(words, place: place) { last = request }
                open = nil
            } else if let word = lastWord(line), let count = open?.count, count < mostLines {
                open?.append(word)
            }
        }
        if last == nil, let begun {
            throw LicensingError(
                .armour, "\(place):\(begun)", "the last request begins here, and neither it nor one before is whole: record the console again, or run there: vsmpd license request")
        }
        return last
    }

    /// Of 64 characters and with other messages between; a request has at most 64 boards.
    private static let mostLines = 4096

    /// All lines count, as a mail program may have wrapped them, or those that no other message came between.
    private static func request(_ words: [[UInt8]], place: String) -> LicenceRequest? {
        guard let end = words.last else { return nil }
        for body in [words, words.dropLast().filter { $0.count == 64 } + [end]] {
            guard let bytes = Base64.decode(Array(body.joined())) else { continue }
            var documents = DocumentSet()
            guard (try? documents.read(Array(Armour(label, bytes).text.utf8), place: place)) != nil else { continue }
            if let request = documents.requests.first { return request }
        }
        return nil
    }

    private static func ends(_ line: [UInt8], _ text: String) -> Bool {
        var line = line[...]
        while line.last == UInt8(ascii: " ") { line.removeLast() }
        return line.count >= text.utf8.count && line.suffix(text.utf8.count).elementsEqual(text.utf8)
    }

    private static func lastWord(_ line: [UInt8]) -> [UInt8]? { line.split(separator: UInt8(ascii: " ")).last.map(Array.init) }

    /// Without control sequences and control characters; a tab is a blank.
    private static func plain(_ line: ArraySlice<UInt8>) -> [UInt8] {
        var plain: [UInt8] = []
        var rest = line
        while let byte = rest.popFirst() {
            switch byte {
            case 0x1B: skipSequence(&rest)
            case UInt8(ascii: "\t"): plain.append(UInt8(ascii: " "))
            case 0..<0x20, 0x7F: continue
            default: plain.append(byte)
            }
        }
        return plain
    }

    /// ECMA-48, sections 5.4 (control sequences) and 8.3.89 (operating system commands); the escape is taken already.
    private static func skipSequence(_ rest: inout ArraySlice<UInt8>) {
        switch rest.popFirst() {
        case UInt8(ascii: "["): while let byte = rest.popFirst(), !(0x40...0x7E).contains(byte) {}
        case UInt8(ascii: "]"):
            while let byte = rest.popFirst(), byte != 0x07 {
                if byte == 0x1B {
                    _ = rest.popFirst()
                    return
                }
            }
        default: return
        }
    }
}
