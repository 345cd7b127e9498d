/// What fuzz targets, and the tests that replay their corpus, do with arbitrary bytes. A broken promise traps.
package enum LicensingExercise {
    private static let key = SecretKey(seed: [UInt8](repeating: 7, count: 32))!

    /// Bytes as an envelope: what decodes encodes to the same bytes.
    @discardableResult
    package static func envelope(_ bytes: [UInt8]) -> Bool {
        guard let envelope = try? Envelope(decoding: bytes) else { return false }
        precondition(envelope.bytes == bytes, "an envelope has two forms")
        return true
    }

    /// Bytes as a file with armour: what is read, written and read again is the same.
    @discardableResult
    package static func armour(_ bytes: [UInt8]) -> Bool {
        guard let blocks = try? Armour.blocks(in: bytes, place: "input"), !blocks.isEmpty else { return false }
        let again = try? Armour.blocks(in: Array(blocks.map(\.text).joined().utf8), place: "input")
        precondition(again == blocks, "armour does not read back")
        var documents = DocumentSet()
        try? documents.read(bytes, place: "input")
        return true
    }

    /// Bytes as a deny-list's content, behind a correct signature: what is accepted has one form.
    @discardableResult
    package static func denyList(_ bytes: [UInt8]) -> Bool {
        guard let envelope = sealed(.denyList, bytes), let list = try? DenyList(envelope, place: "input") else { return false }
        let again = try? DenyList(version: list.version, issued: list.issued, licences: list.licences, keys: list.keys, signedBy: key)
        precondition(again?.envelope.content == bytes, "a deny-list has two forms")
        return true
    }

    /// Bytes as a request's content, behind a correct seal.
    @discardableResult
    package static func request(_ bytes: [UInt8]) -> Bool {
        guard let envelope = sealed(.request, bytes), let request = try? LicenceRequest(envelope, place: "input") else { return false }
        precondition(request.boards.map(\.text).joined().utf8.count <= bytes.count, "a request's boards are longer than the request")
        return true
    }

    private static func sealed(_ kind: Envelope.Kind, _ bytes: [UInt8]) -> Envelope? {
        guard bytes.count <= Envelope.maximumContent, let text = String(validating: bytes, as: UTF8.self) else { return nil }
        return Envelope(kind, text, signedBy: [key])
    }
}
