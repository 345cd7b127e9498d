import Bytes
import Contract
internal import Interconnect

/// Body: kind (1 byte), attempt (8), and what the kind has; a piece's bytes and texts are the payload.
extension UpdateMessage {
    /// Bytes of the bundle in one message between nodes: at 1 Gbit/s it holds up an interrupt behind it for an eighth of a millisecond.
    package static let pieceSize = 16 << 10
    private static let longestText = 1024

    private enum Kind: UInt8 { case offer = 1, piece, commit, abandon, received, prepared, committed, refused }

    var frame: ControlMessage.Frame {
        var body = ByteWriter()
        func put(_ kind: Kind) {
            body.put(kind.rawValue)
            body.put(attempt)
        }
        var payload: [UInt8] = []
        switch content {
        case .offer(let length):
            put(.offer)
            body.put(length)
        case .piece(let offset, let bytes):
            put(.piece)
            body.put(offset)
            body.put(UInt16(bytes.count))
            payload = bytes
        case .commit: put(.commit)
        case .abandon: put(.abandon)
        case .received(let count):
            put(.received)
            body.put(count)
        case .prepared(let text):
            put(.prepared)
            payload = Self.bytes(text)
        case .committed: put(.committed)
        case .refused(let refusal):
            put(.refused)
            body.put(UInt8(clamping: refusal.exitStatus.rawValue))
            payload = Self.bytes(refusal.description)
        }
        return ControlMessage.Frame(kind: .update, body: body.bytes, payload: payload)
    }

    init(_ body: inout ByteReader, payload: [UInt8]) throws(ByteError) {
        guard let kind = Kind(rawValue: try body.take()) else { throw .value("update frame") }
        attempt = try body.take()
        switch kind {
        case .offer: content = .offer(length: try body.take())
        case .piece:
            let offset = try body.take(UInt32.self)
            let count = Int(try body.take(UInt16.self))
            guard (1...Self.pieceSize).contains(count), count == payload.count else { throw .value("piece of a firmware") }
            content = .piece(offset: offset, payload)
            return
        case .commit: content = .commit
        case .abandon: content = .abandon
        case .received: content = .received(try body.take())
        case .prepared:
            content = .prepared(try Self.text(payload))
            return
        case .committed: content = .committed
        case .refused:
            guard let status = ExitStatus(rawValue: Int32(try body.take(UInt8.self))), status != .success else { throw .value("exit status") }
            content = .refused(UpdateRefusal(status, try Self.text(payload)))
            return
        }
        guard payload.isEmpty else { throw .long(payload.count) }
    }

    private static func bytes(_ text: String) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(String(text.prefix(longestText)))
        return writer.bytes
    }

    /// A peer's words are shown to the operator: printable characters only.
    private static func text(_ payload: [UInt8]) throws(ByteError) -> String {
        var reader = ByteReader(payload)
        let text = try reader.takeSized()
        try reader.end()
        return sanitized(text, limit: longestText)
    }
}
