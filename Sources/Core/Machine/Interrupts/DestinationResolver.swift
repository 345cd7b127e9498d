/// Which local APICs an interrupt message is for. Each node has one; it knows every processor of the machine.
///
/// In x2APIC mode the logical id follows from the APIC id, so nothing has to be exchanged and no message can overtake
/// a change. xAPIC logical ids are programmed by the guest: nodes tell each other and call `update`.
package struct DestinationResolver: Sendable {
    private let ids: [APICID]
    private let positions: [APICID: Int]
    private var logical: [LogicalDestination]

    package init(processors: [APICID]) {
        ids = processors.sorted()
        positions = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
        logical = Array(repeating: .afterReset, count: ids.count)
    }

    /// Records what a processor's `LocalAPIC.Effect.logicalDestination` said; unknown processors are ignored.
    package mutating func update(_ id: APICID, _ destination: LogicalDestination) {
        guard let position = positions[id] else { return }
        logical[position] = destination
    }

    /// The processors that get the message, ascending; empty when nobody answers. Lowest-priority delivery picks one.
    package func resolve(_ message: InterruptMessage) -> [APICID] {
        if message.deliveryMode == .initialize, !message.asserted { return [] }
        let all = candidates(message)
        guard message.deliveryMode == .lowestPriority, all.count > 1 else { return all }
        return [all[Int(message.vector.rawValue) % all.count]]
    }

    private func candidates(_ message: InterruptMessage) -> [APICID] {
        switch message.shorthand {
        case .selfOnly: return message.source.map { [$0] } ?? []
        case .all: return ids
        case .allButSelf: return ids.filter { $0 != message.source }
        case .none: break
        }
        if message.isBroadcast { return ids }
        switch message.destinationMode {
        case .physical:
            let id = APICID(message.destination)
            return positions[id] == nil ? [] : [id]
        case .logical:
            return message.isNarrow ? narrow(message.destination) : wide(message.destination)
        }
    }

    private func narrow(_ destination: UInt32) -> [APICID] {
        ids.indices.filter { logical[$0].answers(to: destination, isNarrow: true) }.map { ids[$0] }
    }

    private func wide(_ destination: UInt32) -> [APICID] {
        let first = (destination >> 16) << 4
        return (UInt32(0)..<16).compactMap { bit in
            let id = APICID(first | bit)
            return destination & (1 << bit) != 0 && positions[id] != nil ? id : nil
        }
    }
}
