import Bytes

extension Edition {
    /// Parses an edition file: `key=value` lines in any order, `#` begins a comment line.
    ///
    /// Keys: `edition` and `title`; `min-` and `max-` before `nodes`, `sockets-per-node`, `sockets`, `cores` and `memory-mib`;
    /// `interconnects` and `features`, names with commas; `max-days`; `grace-days`.
    /// - Parameter place: names the file in errors.
    /// - Throws: ``LicensingError`` of kind `text` with file and line.
    public init(parsing text: String, place: String) throws(LicensingError) { try self.init(parsing: Array(text.utf8), place: place) }

    /// The same of a file's bytes.
    public init(parsing text: [UInt8], place: String) throws(LicensingError) {
        do throws(TextError) {
            var reader = try KeyValueText(text, place: place, .edited)
            try self.init(rest: &reader)
        } catch {
            throw LicensingError(error)
        }
    }

    /// Takes every field that is left.
    init(rest reader: inout KeyValueText) throws(TextError) {
        self.init(name: "", title: "")
        var seen: Set<String> = []
        for field in reader.takeRest() {
            guard seen.insert(field.key).inserted else {
                throw TextError(reader.place, line: field.line, "\(field.key)= is there twice")
            }
            try take(field, reader)
        }
        for (key, isMissing) in [("edition", name.isEmpty), ("title", title.isEmpty)] where isMissing {
            throw TextError(reader.place, "\(key)= is missing")
        }
        for (quantity, bound) in bounds {
            if let least = bound.least, let most = bound.most, least > most {
                throw TextError(reader.place, "min-\(quantity.rawValue)=\(least) is more than max-\(quantity.rawValue)=\(most)")
            }
        }
    }

    private mutating func take(_ field: KeyValueText.Field, _ reader: KeyValueText) throws(TextError) {
        switch field.key {
        case "edition":
            name = try reader.name(field, most: 32)
            if name == Self.reservedName { throw reader.wrong(field, "a name other than that of the built-in edition") }
        case "title": title = try reader.text(field, most: 60)
        case "interconnects": interconnects = try Self.names(field, reader)
        case "features": features = try Self.names(field, reader)
        case "max-days": longestDays = try reader.number(field, 1...36500)
        case "grace-days": graceDays = try reader.number(field, 0...3650)
        default:
            for quantity in Quantity.allCases {
                if field.key == "min-" + quantity.rawValue {
                    bounds[quantity, default: Bound()].least = try reader.number(field, 1...Self.largest)
                    return
                }
                if field.key == "max-" + quantity.rawValue {
                    bounds[quantity, default: Bound()].most = try reader.number(field, 1...Self.largest)
                    return
                }
            }
            throw TextError(reader.place, line: field.line, "unknown key \(printable(field.key))=; known are \(Self.keys.joined(separator: ", "))")
        }
    }

    private static let largest = 1 << 40
    private static let keys =
        ["edition", "title"] + Quantity.allCases.flatMap { ["min-\($0.rawValue)", "max-\($0.rawValue)"] } + ["interconnects", "features", "max-days", "grace-days"]

    /// `none`, or names with commas.
    private static func names<Name: RawRepresentable & CaseIterable & Hashable>(
        _ field: KeyValueText.Field, _ reader: KeyValueText
    ) throws(TextError) -> Set<Name> where Name.RawValue == String {
        if field.value == "none" { return [] }
        let words = field.value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let names = Set(words.compactMap(Name.init(rawValue:)))
        guard names.count == words.count else {
            throw reader.wrong(field, "none, or some of \(Name.allCases.map(\.rawValue).joined(separator: ", ")) with commas, each once")
        }
        return names
    }

    /// One form for each edition: what a grant holds.
    public var text: String {
        var lines = ["edition=\(name)", "title=\(title)"]
        for quantity in Quantity.allCases {
            if let least = bounds[quantity]?.least { lines.append("min-\(quantity.rawValue)=\(least)") }
            if let most = bounds[quantity]?.most { lines.append("max-\(quantity.rawValue)=\(most)") }
        }
        func list(_ names: [String]) -> String { names.isEmpty ? "none" : names.joined(separator: ",") }
        if let interconnects { lines.append("interconnects=" + list(InterconnectKind.allCases.filter(interconnects.contains).map(\.rawValue))) }
        if let features { lines.append("features=" + list(MachineFeature.allCases.filter(features.contains).map(\.rawValue))) }
        if let longestDays { lines.append("max-days=\(longestDays)") }
        lines.append("grace-days=\(graceDays)")
        return lines.joined(separator: "\n") + "\n"
    }
}
