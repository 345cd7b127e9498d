// What the documents and limits are in words, for the commands.

extension Envelope {
    /// The content, as far as it is text.
    public var contentText: String { String(decoding: content, as: UTF8.self) }
    /// In the order of their signatures.
    public var signers: [PublicKey] { signatures.map(\.key) }
}

extension DocumentSet {
    /// Everything, by kind.
    public var envelopes: [Envelope] {
        roots.map(\.envelope) + grants.map(\.envelope) + licences.map(\.envelope) + denyLists.map(\.envelope) + requests.map(\.envelope)
    }
}

extension Edition {
    /// One sentence a limit.
    public var sentences: [String] {
        var sentences = Quantity.allCases.compactMap { quantity -> String? in
            switch (bounds[quantity]?.least, bounds[quantity]?.most) {
            case (nil, nil): nil
            case (let least?, nil): "\(quantity.rawValue): at least \(least)"
            case (nil, let most?): "\(quantity.rawValue): at most \(most)"
            case (let least?, let most?): "\(quantity.rawValue): \(least == most ? "exactly \(least)" : "\(least) to \(most)")"
            }
        }
        if let interconnects { sentences.append("interconnects: " + InterconnectKind.allCases.filter(interconnects.contains).map(\.rawValue).joined(separator: " or ")) }
        if let features { sentences.append("features: " + (features.isEmpty ? "none" : MachineFeature.allCases.filter(features.contains).map(\.rawValue).joined(separator: ", "))) }
        if let longestDays { sentences.append("a licence runs at most \(longestDays) days") }
        return sentences
    }
}

extension Binding {
    public var sentence: String {
        switch self {
        case .none: "bound to nothing"
        case .model(let model): "bound to boards of the model \"\(model)\""
        case .listed(let thing, let listed, nil): "bound to \(listed.count) \(thing.plural): every node is one of them"
        case .listed(let thing, let listed, let quorum?): "bound to \(listed.count) \(thing.plural), of which \(quorum) must be there"
        }
    }

    /// The same binding, to the boards of a request.
    /// - Throws: ``LicensingError`` where the request's boards have no such identity.
    public func moved(to request: LicenceRequest) throws(LicensingError) -> Binding {
        func wrong(_ problem: String) -> LicensingError { LicensingError(.chain, "request \(request.id)", problem) }
        switch self {
        case .none: return self
        case .model:
            guard let model = request.boards[0].model, request.boards.allSatisfy({ $0.model == model }) else { throw wrong("its boards are not of one model") }
            return .model(model)
        case .listed(let thing, _, let quorum):
            let new = Set(request.boards.compactMap { $0.fingerprint(thing) })
            guard new.count == request.boards.count else { throw wrong("\(request.boards.count) boards have \(new.count) different \(thing.rawValue) identities") }
            guard quorum.map({ $0 <= new.count }) ?? true else { throw wrong("it names \(new.count) boards, fewer than the quorum \(quorum ?? 0)") }
            return .listed(thing, new, quorum: quorum)
        }
    }
}

extension Violation.Code {
    /// What docs/licensing.md says of it.
    public var meaning: String {
        switch self {
        case .noLicence: "the board has no licence file, and more than one board is to become a machine"
        case .damaged: "a licence file was damaged on its way, or is not one"
        case .untrusted: "the licence does not lead to the vendor's root key that the image carries"
        case .denied: "the licence, the OEM's key or an old root was withdrawn"
        case .denyListTooOld: "the board has seen a newer deny list than it has now"
        case .mixture: "the boards carry different licences, or one runs a development image"
        case .severalLicences: "one stick carries several licences"
        case .noRoot: "the image carries no vendor's root key, so it accepts no licence"
        case .clockNotSet: "the board's clock shows a time that has certainly passed: it is not set"
        case .expired: "the licence has ended, and its days of grace, too"
        case .tooFewNodes: "fewer boards than the edition asks for"
        case .tooManyNodes: "more boards than the edition allows"
        case .tooFewSocketsInNode: "a board has fewer processor packages than the edition asks for"
        case .tooManySocketsInNode: "a board has more processor packages than the edition allows"
        case .tooFewSockets: "all boards together have fewer processor packages than the edition asks for"
        case .tooManySockets: "all boards together have more processor packages than the edition allows"
        case .tooFewCores: "all boards together have fewer cores than the edition asks for"
        case .tooManyCores: "all boards together have more cores than the edition allows, lent or not"
        case .tooLittleMemory: "all boards together have less memory than the edition asks for"
        case .tooMuchMemory: "all boards together have more memory than the edition allows, lent or not"
        case .interconnect: "a board is joined by a kind of network that the edition does not have"
        case .feature: "the machine uses something that the edition does not have"
        case .model: "a board is not of the model to which the licence is bound"
        case .board: "a board is none of those to which the licence is bound"
        case .tpm: "a board's TPM is none of those to which the licence is bound"
        case .stick: "a stick is none of those to which the licence is bound"
        case .quorum: "too few of the boards, TPMs or sticks are there to which the licence is bound"
        case .statement: "a node stated of itself what cannot be"
        }
    }
}
