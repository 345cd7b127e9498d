import Bytes

extension KeyValueText {
    /// 1 to `most` characters that a console can show.
    func text(_ field: Field, most: Int = 120) throws(TextError) -> String {
        guard (1...most).contains(field.value.unicodeScalars.count) else { throw wrong(field, "1 to \(most) characters") }
        if let problem = problem(ofName: field.value) { throw TextError(place, line: field.line, "\(field.key): \(problem), which a name cannot have") }
        return field.value
    }

    /// Small letters, digits and hyphens.
    func name(_ field: Field, prefix: String = "", most: Int = 64) throws(TextError) -> String {
        guard field.value.hasPrefix(prefix), isName(field.value, most) else {
            throw wrong(field, "\(prefix.isEmpty ? "" : "\(prefix) and ")1 to \(most) small letters, digits and hyphens")
        }
        return field.value
    }

    func bytes(_ field: Field, count: Int) throws(TextError) -> [UInt8] {
        guard let bytes = Hexadecimal.decode(field.value), bytes.count == count else { throw wrong(field, "\(2 * count) digits 0-9 and a-f") }
        return bytes
    }

    func time(_ field: Field) throws(TextError) -> UTCTimeStamp {
        guard let time = UTCTimeStamp(field.value) else { throw wrong(field, "a time such as 2027-01-31T12:00:00Z") }
        return time
    }
}

func isName(_ text: String, _ most: Int) -> Bool {
    (1...most).contains(text.utf8.count)
        && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }
}

extension LicensingError {
    init(_ error: TextError) { self.init(.text, error.location, error.problem) }
}
