internal import Contract
private import USB

extension FactoryRecord {
    private static let columns: [(name: String, value: @Sendable (FactoryRecord, FactoryEntry) -> String?)] = [
        ("number", { record, _ in "\(record.number)" }), ("begun", { $1.time.begun }), ("ended", { $1.time.ended }),
        ("milliseconds", { "\($1.time.milliseconds)" }), ("user", { $1.who.user }), ("sudo_user", { $1.who.sudoUser }), ("host", { $1.who.host }),
        ("station", { $1.who.station }), ("command", { $1.command }), ("verdict", { $1.verdict.rawValue }), ("message", { $1.message }),
        ("kit", { $1.kit?.id }), ("node", { $1.kit.map { "\($0.node)" } }), ("nodes", { $1.kit.map { "\($0.nodes)" } }), ("target", { $1.stick.target }),
        ("disk", { $1.stick.disk }), ("port", { $1.stick.port?.description }), ("slot", { $1.stick.slot }), ("identifier", { $1.stick.identifier }), ("serial", { $1.stick.serial }),
        ("size", { $1.stick.size.map { "\($0)" } }), ("model", { $1.stick.model }), ("image", { $1.image?.name }), ("image_sha256", { $1.image?.sha256 }),
        ("firmware", { $1.image?.firmware.description }), ("version", { $1.image.map { "\($0.version)" } }), ("brand", { $1.image?.brand }),
        ("board", { $1.image?.board }), ("bytes", { $1.bytes.map { "\($0)" } }), ("sha256", { $1.sha256 }), ("hash", { record, _ in record.hash }),
    ]

    /// The names of the columns, as a line of RFC 4180 with its line end.
    public static var csvHeader: String { line(columns.map(\.name)) }

    /// The record as a line of RFC 4180 with its line end; nil for one that tells of no stick.
    public var csv: String? {
        guard case .stick(let entry) = content else { return nil }
        return Self.line(Self.columns.map { $0.value(self, entry) ?? "" })
    }

    private static func line(_ fields: [String]) -> String { fields.map(field).joined(separator: ",") + "\r\n" }

    /// What a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV Injection").
    private static func field(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let safe = scalars.first.map { "=+-@\t\r\n".unicodeScalars.contains($0) } ?? false ? "'" + text : text
        guard scalars.contains(where: { "\",\r\n".unicodeScalars.contains($0) }) else { return safe }
        return "\"" + safe.replacing("\"", with: "\"\"") + "\""
    }
}
