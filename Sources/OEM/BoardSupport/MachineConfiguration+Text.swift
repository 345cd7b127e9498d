package import Bytes
internal import Coherence
internal import Contract

extension MachineConfiguration {
    /// Reads the file.
    ///
    /// - Parameter place: names the text in errors.
    package init(_ bytes: some Sequence<UInt8>, place: String = StickFile.machineConfiguration.rawValue) throws(TextError) {
        var text = try KeyValueText(bytes, place: place, .edited)
        var fields: [Key: KeyValueText.Field] = [:]
        for key in Key.allCases { fields[key] = try text.take(key.rawValue) }
        try text.endOfKeys(known: Key.allCases.map(\.rawValue))
        for key in Key.allCases where key.standard == nil && fields[key] == nil {
            throw TextError(place, "\(key.rawValue)= is missing; write the stick again with vsmp usb write")
        }
        self.init(kit: "", nodes: Limits.nodes.upperBound, node: 0)
        for key in Key.allCases {
            guard let field = fields[key] else { continue }
            try take(key, field, of: text)
        }
    }

    /// The file's text.
    ///
    /// - Throws: what a node would say of this text.
    package var text: String {
        get throws(TextError) {
            let text = Key.allCases.compactMap { key in written(key).map { "\(key.rawValue)=\($0)\n" } }.joined()
            guard try MachineConfiguration(text.utf8) == self else { preconditionFailure("what a node reads is what was written") }
            return text
        }
    }

    private func written(_ key: Key) -> String? {
        switch key {
        case .kit: kit
        case .nodes: "\(nodes)"
        case .node: "\(node)"
        case .sliceMiB: sliceMiB.map { "\($0)" }
        case .cacheMiB: cacheMiB.map { "\($0)" }
        case .processors: processors.map { "\($0)" }
        case .onFailure: onFailure?.rawValue
        case .outageSeconds: outageSeconds.map { "\($0)" }
        case .rejoining: rejoining?.description
        case .watchdog: watchdog?.rawValue
        case .policies: policies?.shortDescription
        case .interconnect: interconnect?.rawValue
        }
    }

    private mutating func take(_ key: Key, _ field: KeyValueText.Field, of text: KeyValueText) throws(TextError) {
        func number() throws(TextError) -> Int {
            switch key.value {
            case .number(let range, let unit): try text.number(field, range, unit: unit)
            case .index: try text.number(field, 0...(nodes - 1))
            case .words, .text: preconditionFailure("\(key.rawValue) is no number")
            }
        }
        switch key {
        case .kit:
            guard Limits.allowsKit(named: field.value) else { throw text.wrong(field, "\(key.value)") }
            kit = field.value
        case .nodes: nodes = try number()
        case .node: node = NodeIndex(try number())
        case .sliceMiB: sliceMiB = try number()
        case .cacheMiB: cacheMiB = try number()
        case .processors: processors = try number()
        case .outageSeconds: outageSeconds = try number()
        case .onFailure:
            guard let action = FailureAction(rawValue: field.value) else { throw text.wrong(field, "\(key.value)") }
            onFailure = action
        case .rejoining:
            guard let choice = Rejoining(field.value) else { throw text.wrong(field, "\(key.value)") }
            rejoining = choice
        case .watchdog:
            guard let use = WatchdogUse(rawValue: field.value) else { throw text.wrong(field, "\(key.value)") }
            watchdog = use
        case .interconnect:
            guard let protection = InterconnectProtection(rawValue: field.value) else { throw text.wrong(field, "\(key.value)") }
            interconnect = protection
        case .policies:
            do throws(PolicySet.UnknownPolicy) { policies = try PolicySet(parsing: field.value) } catch {
                throw TextError(text.place, line: field.line, "\(key.rawValue): \(error)")
            }
        }
    }
}
