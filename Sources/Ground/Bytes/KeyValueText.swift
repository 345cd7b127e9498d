/// A text of `key=value` lines: machine.conf, brand.conf, kit.conf, editions, signed documents. Nothing is left out or guessed: a key
/// ends at the first `=`, a value is the rest of its line, blanks included.
package struct KeyValueText: Sendable {
    package struct Field: Sendable, Equatable {
        package let line: Int
        package let key: String
        package let value: String
    }

    /// How the lines may look.
    package enum Form: Sendable {
        /// A person's file: blank lines and those that begin with `#` are skipped, and blanks before a key are.
        case edited
        /// A program's document, which has one form only: LF behind every line, no byte order mark, nothing skipped.
        case exact
    }

    /// Names the text in errors: a file's name or path.
    package let place: String
    private var fields: ArraySlice<Field>

    package init(_ bytes: some Sequence<UInt8>, place: String, _ form: Form) throws(TextError) {
        let bytes = Array(bytes)
        let text = try InputText(bytes, place: place)
        if form == .exact, !text.text.utf8.elementsEqual(bytes) {
            throw TextError(place, "its lines do not all end with one line feed; it was changed after it was written, copy it again")
        }
        var fields: [Field] = []
        for line in text.lines {
            let content = form == .edited ? line.text.drop { $0 == " " || $0 == "\t" } : line.text[...]
            if form == .edited, content.isEmpty || content.hasPrefix("#") { continue }
            guard let equals = content.firstIndex(of: "="), equals > content.startIndex else {
                throw text.wrong(line, "expected key=value, found \"\(printable(line.text))\"")
            }
            fields.append(Field(line: line.number, key: String(content[..<equals]), value: String(content[content.index(after: equals)...])))
        }
        self.place = place
        self.fields = fields[...]
    }

    package init(_ text: String, place: String, _ form: Form) throws(TextError) { try self.init(text.utf8, place: place, form) }

    // MARK: In the order of the text

    /// The next field when it has this key.
    package mutating func takeIfNext(_ key: String) -> Field? {
        guard fields.first?.key == key else { return nil }
        return fields.popFirst()
    }

    /// The next field, which must have this key.
    package mutating func takeNext(_ key: String) throws(TextError) -> Field {
        guard let field = takeIfNext(key) else { throw unexpected("expected \(key)=") }
        return field
    }

    /// All the next fields with this key.
    package mutating func takeAllNext(_ key: String) -> [Field] {
        var found: [Field] = []
        while let field = takeIfNext(key) { found.append(field) }
        return found
    }

    /// Everything that is left, in its order.
    package mutating func takeRest() -> [Field] {
        defer { fields = [] }
        return Array(fields)
    }

    /// - Throws: when a field is left.
    package func end() throws(TextError) {
        guard fields.isEmpty else { throw unexpected("expected the end") }
    }

    // MARK: In any order

    /// The field with this key, wherever it stands; nil when there is none.
    ///
    /// - Throws: when the key is there twice.
    package mutating func take(_ key: String) throws(TextError) -> Field? {
        guard let index = fields.firstIndex(where: { $0.key == key }) else { return nil }
        let field = fields.remove(at: index)
        if let second = fields.first(where: { $0.key == key }) { throw TextError(place, line: second.line, "\(printable(key))= is there twice") }
        return field
    }

    /// - Throws: when a field is left, with its line; `known` are the keys that it could have been.
    package func endOfKeys(known: [String]) throws(TextError) {
        guard let field = fields.first else { return }
        throw TextError(place, line: field.line, "unknown key \(printable(field.key))=; known are \(known.joined(separator: ", "))")
    }

    // MARK: Values

    /// A decimal number within `range`, of `unit`: no sign unless it is negative, no leading zeros.
    package func number<T: FixedWidthInteger & Sendable>(_ field: Field, _ range: ClosedRange<T>, unit: String = "") throws(TextError) -> T {
        let bounds = BoundedNumber(range, unit: unit)
        guard let value = bounds.value(of: field.value) else { throw wrong(field, bounds.description) }
        return value
    }

    /// An error at `field`: what was expected, and what is there.
    package func wrong(_ field: Field, _ expected: String) -> TextError {
        TextError(place, line: field.line, "\(field.key): expected \(expected), found \"\(printable(field.value))\"")
    }

    private func unexpected(_ expected: String) -> TextError {
        guard let field = fields.first else { return TextError(place, "\(expected), found the end") }
        return TextError(place, line: field.line, "\(expected), found \(printable(field.key))=")
    }
}
