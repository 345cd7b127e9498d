import Bytes

/// To what a licence belongs.
public enum Binding: Sendable, Equatable {
    /// What a list of fingerprints is of.
    public enum Thing: String, Sendable, CaseIterable {
        case board, tpm, stick
    }

    /// To nothing: whoever has the file can use it.
    case none
    /// To a model of board: every node must be one.
    case model(String)
    /// To these boards, TPMs or sticks. Of all nodes at least `quorum` must be listed, so that the others can be replaced; nil means every node.
    case listed(Thing, Set<Fingerprint>, quorum: Int?)

    init(from reader: inout KeyValueText) throws(TextError) {
        let field = try reader.takeNext("binding")
        switch field.value {
        case "none": self = .none
        case "model": self = .model(try reader.text(try reader.takeNext("model"), most: 160))
        default:
            guard let thing = Thing(rawValue: field.value) else { throw reader.wrong(field, "none, model, board, tpm or stick") }
            let quorumField = reader.takeIfNext("quorum")
            let listed = reader.takeAllNext("bound")
            var fingerprints: Set<Fingerprint> = []
            for field in listed { fingerprints.insert(Fingerprint(bytes: try reader.bytes(field, count: Fingerprint.byteCount))!) }
            guard (1...64).contains(fingerprints.count) else { throw reader.wrong(field, "1 to 64 lines bound= behind it") }
            var quorum: Int?
            if let quorumField { quorum = try reader.number(quorumField, 1...fingerprints.count) }
            self = .listed(thing, fingerprints, quorum: quorum)
        }
    }

    /// As a licence's content has it.
    var text: String {
        switch self {
        case .none: "binding=none\n"
        case .model(let model): "binding=model\nmodel=\(model)\n"
        case .listed(let thing, let fingerprints, let quorum):
            "binding=\(thing.rawValue)\n" + (quorum.map { "quorum=\($0)\n" } ?? "")
                + fingerprints.map(\.description).sorted().map { "bound=\($0)\n" }.joined()
        }
    }
}

extension BoardRecord {
    public func fingerprint(_ thing: Binding.Thing) -> Fingerprint? {
        switch thing {
        case .board: board
        case .tpm: tpm
        case .stick: stick
        }
    }
}
