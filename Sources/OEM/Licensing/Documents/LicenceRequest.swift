public import Bytes
internal import Contract

/// What a vendor needs to know of a machine before it issues a licence: its boards, and for what they ask. Made offline, by a node for its own board or
/// from several such files for a machine. It is sealed with a key of its own that is thrown away: damage is found, the sender is not proved.
public struct LicenceRequest: Sendable, Equatable {
    /// `req-` and 32 digits, random.
    public let id: String
    public let made: UTCTimeStamp
    public let customer: String?
    /// The licence that the new one is to replace.
    public let replaces: String?
    /// Boards, each once.
    public let boards: [BoardRecord]
    public let envelope: Envelope

    public init(made: UTCTimeStamp, customer: String?, replaces: String?, boards: [BoardRecord]) throws(LicensingError) {
        var random = SystemRandomNumberGenerator()
        let id = "req-" + Hexadecimal.encode((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        try self.init(Envelope(.request, Self.text(id, made, customer, replaces, boards), signedBy: [SecretKey()]), place: "request")
    }

    public init(_ envelope: Envelope, place: String) throws(LicensingError) {
        self.envelope = envelope
        let text = try envelope.text(.request, place: place)
        do throws(TextError) {
            var reader = try KeyValueText(text, place: place, .exact)
            id = try reader.name(try reader.takeNext("request"), prefix: "req-")
            made = try reader.time(try reader.takeNext("made"))
            customer = if let field = reader.takeIfNext("customer") { try reader.text(field) } else { nil }
            replaces = if let field = reader.takeIfNext("replaces") { try reader.name(field, prefix: Licence.idPrefix) } else { nil }
            var boards: [BoardRecord] = []
            while let field = reader.takeIfNext("sockets") { boards.append(try BoardRecord(field, &reader)) }
            try reader.end()
            guard Limits.nodes.contains(boards.count) else {
                throw TextError(place, "a request names 1 to \(Limits.nodes.upperBound) boards, this one \(boards.count)")
            }
            self.boards = boards
        } catch {
            throw LicensingError(error)
        }
        guard text == Self.text(id, made, customer, replaces, boards) else { throw LicensingError(.text, place, "the content is not in its one form") }
    }

    private static func text(_ id: String, _ made: UTCTimeStamp, _ customer: String?, _ replaces: String?, _ boards: [BoardRecord]) -> String {
        "request=\(id)\nmade=\(made)\n" + (customer.map { "customer=\($0)\n" } ?? "") + (replaces.map { "replaces=\($0)\n" } ?? "")
            + boards.map(\.text).joined()
    }
}

extension BoardRecord {
    /// - Parameter sockets: the first field of a board, taken already.
    init(_ sockets: KeyValueText.Field, _ reader: inout KeyValueText) throws(TextError) {
        func fingerprint(_ key: String) throws(TextError) -> Fingerprint? {
            guard let field = reader.takeIfNext(key) else { return nil }
            return Fingerprint(bytes: try reader.bytes(field, count: Fingerprint.byteCount))
        }
        self.init(
            sockets: try reader.number(sockets, 1...4096), cores: try reader.number(try reader.takeNext("cores"), 1...65536),
            memoryMiB: try reader.number(try reader.takeNext("memory-mib"), 1...(1 << 40)), model: nil)
        if let field = reader.takeIfNext("model") { model = try reader.text(field, most: 160) }
        board = try fingerprint("board")
        tpm = try fingerprint("tpm")
        stick = try fingerprint("stick")
    }

    var text: String {
        var lines = ["sockets=\(sockets)", "cores=\(cores)", "memory-mib=\(memoryMiB)"]
        if let model { lines.append("model=\(model)") }
        for (key, value) in [("board", board), ("tpm", tpm), ("stick", stick)] {
            if let value { lines.append("\(key)=\(value)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
