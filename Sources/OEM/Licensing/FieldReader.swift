/// Reads `key=value` lines strictly in the order in which a document has them. Blank lines and lines that begin with `#` are skipped
/// only where `comments` says so; nothing else is.
struct FieldReader {
    struct Field {
        let line: Int
        let key: String
        let value: String
    }

    let place: String
    private var fields: ArraySlice<Field>

    init(_ text: String, place: String, comments: Bool) throws(LicensingError) {
        self.place = place
        var fields: [Field] = []
        // A person's editor may end lines with CR LF, which is one Character; signed content has one form.
        var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || comments && $0 == "\r\n" }
        if lines.last?.isEmpty == true { lines.removeLast() }
        for (index, line) in lines.enumerated() {
            if comments, line.isEmpty || line.hasPrefix("#") { continue }
            guard let equals = line.firstIndex(of: "="), equals > line.startIndex else {
                throw LicensingError(.text, "\(place):\(index + 1)", "expected key=value, found \"\(printable(line))\"")
            }
            fields.append(Field(line: index + 1, key: String(line[..<equals]), value: String(line[line.index(after: equals)...])))
        }
        self.fields = fields[...]
    }

    /// The next field when it has this key.
    mutating func takeIfNext(_ key: String) -> Field? {
        guard fields.first?.key == key else { return nil }
        return fields.popFirst()
    }

    mutating func take(_ key: String) throws(LicensingError) -> Field {
        guard let field = takeIfNext(key) else { throw unexpected("expected \(key)=") }
        return field
    }

    /// All the next fields with this key.
    mutating func takeAll(_ key: String) -> [Field] {
        var found: [Field] = []
        while let field = takeIfNext(key) { found.append(field) }
        return found
    }

    /// Everything that is left, in any order.
    mutating func takeRest() -> [Field] {
        defer { fields = [] }
        return Array(fields)
    }

    func end() throws(LicensingError) {
        guard fields.isEmpty else { throw unexpected("expected the end") }
    }

    func wrong(_ field: Field, _ expected: String) -> LicensingError {
        LicensingError(.text, "\(place):\(field.line)", "\(field.key): expected \(expected), found \"\(printable(field.value))\"")
    }

    private func unexpected(_ expected: String) -> LicensingError {
        guard let field = fields.first else { return LicensingError(.text, place, "\(expected), found the end") }
        return LicensingError(.text, "\(place):\(field.line)", "\(expected), found \(printable(field.key))=")
    }
}

extension FieldReader {
    /// A decimal number as it is written by `String(_:)`: no sign, no leading zero.
    func number(_ field: Field, _ range: ClosedRange<Int>) throws(LicensingError) -> Int {
        guard let value = Int(field.value), String(value) == field.value, range.contains(value) else {
            throw wrong(field, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// 1 to `most` characters that a console can show.
    func text(_ field: Field, most: Int = 120) throws(LicensingError) -> String {
        guard !field.value.isEmpty, field.value.unicodeScalars.count <= most, field.value.unicodeScalars.allSatisfy(isShown) else {
            throw wrong(field, "1 to \(most) characters, none of them a control or formatting character")
        }
        return field.value
    }

    /// Small letters, digits and hyphens.
    func name(_ field: Field, prefix: String = "", most: Int = 64) throws(LicensingError) -> String {
        guard field.value.hasPrefix(prefix), isName(field.value, most) else {
            throw wrong(field, "\(prefix.isEmpty ? "" : "\(prefix) and ")1 to \(most) small letters, digits and hyphens")
        }
        return field.value
    }

    func bytes(_ field: Field, count: Int) throws(LicensingError) -> [UInt8] {
        guard let bytes = bytesOfHexadecimal(field.value), bytes.count == count else { throw wrong(field, "\(2 * count) digits 0-9 and a-f") }
        return bytes
    }

    func moment(_ field: Field) throws(LicensingError) -> Moment {
        guard let moment = Moment(field.value) else { throw wrong(field, "a time such as 2027-01-31T12:00:00Z") }
        return moment
    }
}

func isName(_ text: String, _ most: Int) -> Bool {
    (1...most).contains(text.utf8.count)
        && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }
}

/// Neither control nor format characters, nor anything else that moves a console's cursor or turns its text around.
func isShown(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x7f { return scalar.value >= 0x20 }
    return switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    default: true
    }
}

/// Foreign text as an error may repeat it.
func printable(_ text: some StringProtocol) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.prefix(80).map { isShown($0) ? $0 : "?" }))
}
