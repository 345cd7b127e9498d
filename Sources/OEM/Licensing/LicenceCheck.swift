import Contract
import Bytes

/// Holds a machine against an accepted licence; ``LicenceEvaluation`` asks it.
enum LicenceCheck {
    /// What follows from the check.
    enum Verdict: Sendable, Equatable {
        /// The machine may start; each banner is a sentence that its console must show.
        case accepted(banners: [String])
        case refused(LicenceRefusal)
    }

    /// Every limit of the licence against what is known of the machine.
    /// - Parameters:
    ///   - accepted: this node's licence.
    ///   - clock: this node's.
    static func verdict(_ accepted: AcceptedLicence, machine: MachineInventory, clock: LicenceClock) -> Verdict {
        var violations = mixture(accepted.licence.id, machine)
        let time = self.time(accepted, clock)
        violations += time.violations + nodesAndBoards(accepted.edition, machine) + sums(accepted.edition, machine) + others(accepted.edition, machine)
        violations += binding(accepted.licence.binding, machine)
        return violations.isEmpty ? .accepted(banners: time.banners) : .refused(LicenceRefusal(violations))
    }

    /// Whether all nodes carry this licence, and none runs a development image.
    static func mixture(_ id: String, _ machine: MachineInventory) -> [Violation] {
        let carriers = machine.nodes.filter { $0.licence == id }.map(\.index)
        return machine.nodes.filter { $0.licence != id || $0.isDevelopment }.map { node in
            let other = node.isDevelopment ? "a development image" : node.licence.map { "licence \(printable($0))" } ?? "no licence"
            return Violation(
                .mixture, "licence", have: "\(other) on node \(node.index), \(id) on \(names(carriers))", need: "the same licence on every node",
                remedy: "install \(id) on node \(node.index)'s stick, or the other licence on all")
        }
    }

    /// Expiry and grace.
    static func time(_ accepted: AcceptedLicence, _ clock: LicenceClock) -> (violations: [Violation], banners: [String]) {
        var clock = clock
        clock.raise(to: accepted.newestDocument, "the newest of the licence's documents was issued")
        if clock.isNotSet {
            return (
                [
                    Violation(
                        .clockNotSet, "clock", have: "\(clock.now), which is not the time", need: "\(clock.floor) or later, when \(clock.floorSource)",
                        remedy: "the clock is not set: set date and time in the board's firmware set-up, in Coordinated Universal Time"
                            + (clock.isFloorRemembered ? "; if they are right, the clock was ahead when the machine ran: write this stick again with vsmp usb write" : ""))
                ], []
            )
        }
        guard let end = accepted.licence.notAfter else { return ([], []) }
        let last = end.adding(days: accepted.edition.graceDays) ?? .last
        if clock.effective <= end {
            let days = clock.effective.days(to: end)
            return ([], days < 14 ? ["the licence \(accepted.licence.id) ends on \(end.day), in \(days) day(s): renew it"] : [])
        }
        if clock.effective <= last {
            return (
                [],
                [
                    "THE LICENCE \(accepted.licence.id) HAS EXPIRED on \(end.day). This machine still starts until \(last.day), "
                        + "\(clock.effective.days(to: last)) day(s) of grace: renew the licence"
                ]
            )
        }
        let grace = accepted.edition.graceDays == 0 ? "" : ", with grace until \(last.day)"
        return (
            [
                Violation(
                    .expired, "expiry", have: "\(clock.effective)", need: "a licence that runs; \(accepted.licence.id) ran until \(end.day)\(grace)",
                    remedy: "install a renewed licence; until then the board whose stick holds the guest starts alone")
            ], []
        )
    }

    private static func nodesAndBoards(_ edition: Edition, _ machine: MachineInventory) -> [Violation] {
        let nodes = machine.count.map { count in
            exceeds(
                edition, .nodes, count, .tooFewNodes, .tooManyNodes, unit: "node(s)", fewer: "write sticks for the missing boards and start them",
                more: "take boards out of the kit, or buy an edition with more nodes")
        } ?? []
        return nodes
            + machine.nodes.flatMap { node in
                exceeds(
                    edition, .socketsPerNode, node.record.sockets, .tooFewSocketsInNode, .tooManySocketsInNode, unit: "socket(s) in node \(node.index)",
                    fewer: "add a processor to that board", more: "take processors out of that board, or buy another edition")
            }
    }

    private static func sums(_ edition: Edition, _ machine: MachineInventory) -> [Violation] {
        func list(_ value: (BoardRecord) -> Int) -> String {
            " (" + machine.nodes.map { "node \($0.index): \(value($0.record))" }.joined(separator: ", ") + ")"
        }
        // A node's own statement is not believed to be small enough to add up.
        func sum(_ value: (BoardRecord) -> Int) -> Int {
            machine.nodes.reduce(0) { total, node in
                let (sum, overflow) = total.addingReportingOverflow(value(node.record))
                return overflow ? .max : sum
            }
        }
        let found = exceeds(
            edition, .sockets, sum(\.sockets), .tooFewSockets, .tooManySockets, unit: "socket(s)\(list(\.sockets))", fewer: "add boards or processors",
            more: "take boards or processors out, or buy an edition with more sockets")
            + exceeds(
                edition, .cores, sum(\.cores), .tooFewCores, .tooManyCores, unit: "core(s)\(list(\.cores))", fewer: "add boards or processors",
                more: "take boards or processors out, or buy an edition with more cores; lending fewer does not help")
            + exceeds(
                edition, .memoryMiB, sum(\.memoryMiB), .tooLittleMemory, .tooMuchMemory, unit: "MiB of memory\(list(\.memoryMiB))", fewer: "add memory",
                more: "take memory out, or buy an edition with more; lending less does not help")
        // Boards that are not listed can only add to what the others have.
        return machine.isComplete ? found : found.filter { [.tooManySockets, .tooManyCores, .tooMuchMemory].contains($0.code) }
    }

    private static func exceeds(
        _ edition: Edition, _ quantity: Edition.Quantity, _ have: Int, _ few: Violation.Code, _ many: Violation.Code, unit: String, fewer: String, more: String
    ) -> [Violation] {
        guard let bound = edition.bounds[quantity] else { return [] }
        if let least = bound.least, have < least {
            return [Violation(few, quantity.rawValue, have: "\(have) \(unit)", need: "at least \(least) (edition \(edition.name))", remedy: fewer)]
        }
        if let most = bound.most, have > most {
            return [Violation(many, quantity.rawValue, have: "\(have) \(unit)", need: "at most \(most) (edition \(edition.name))", remedy: more)]
        }
        return []
    }

    private static func others(_ edition: Edition, _ machine: MachineInventory) -> [Violation] {
        var violations: [Violation] = []
        if let allowed = edition.interconnects {
            let names = InterconnectKind.allCases.filter(allowed.contains).map(\.rawValue).joined(separator: " or ")
            violations += machine.nodes.compactMap { node in
                guard let interconnect = node.interconnect, !allowed.contains(interconnect) else { return nil }
                return Violation(
                    .interconnect, "interconnects", have: "\(interconnect.rawValue) on node \(node.index)",
                    need: "\(names) (edition \(edition.name))", remedy: "join the boards by \(names), or buy another edition")
            }
        }
        if let allowed = edition.features {
            violations += MachineFeature.allCases.filter { machine.features.contains($0) && !allowed.contains($0) }.map { feature in
                Violation(
                    .feature, "features", have: feature.rawValue, need: "a machine without it (edition \(edition.name))",
                    remedy: feature == .unequalBoards ? "use boards of one kind, or buy another edition" : "take policies= out of the stick and the board's description, or buy another edition")
            }
        }
        return violations
    }

    static func binding(_ binding: Binding, _ machine: MachineInventory) -> [Violation] {
        switch binding {
        case .none: return []
        case .model(let model):
            return machine.nodes.filter { $0.record.model != model }.map { node in
                Violation(
                    .model, "board model", have: "\(node.record.model.map { "\"\(printable($0))\"" } ?? "no model") on node \(node.index)",
                    need: "\"\(model)\" on every node", remedy: "use the OEM's boards, or ask for a licence for these")
            }
        case .listed(let thing, let listed, let quorum):
            // The same board twice counts once.
            let present = Set(machine.nodes.compactMap { $0.record.fingerprint(thing) }).intersection(listed)
            if let quorum {
                guard machine.isComplete, present.count < quorum else { return [] }
                return [
                    Violation(
                        .quorum, "quorum", have: "\(present.count) of the \(listed.count) \(thing.plural) that the licence lists", need: "at least \(quorum)",
                        remedy: "start the machine with more of its old \(thing.plural), or ask for a transfer: vsmp license transfer")
                ]
            }
            var seen: Set<Fingerprint> = []
            return machine.nodes.compactMap { node in
                let fingerprint = node.record.fingerprint(thing)
                let isNew = fingerprint.map { seen.insert($0).inserted } ?? false
                if let fingerprint, listed.contains(fingerprint), isNew { return nil }
                let have =
                    if let fingerprint { isNew ? "\(thing.rawValue) \(fingerprint.short) on node \(node.index)" : "\(thing.rawValue) \(fingerprint.short) twice" } else {
                        "no \(thing.rawValue) identity on node \(node.index)"
                    }
                return Violation(
                    thing.code, "binding", have: have, need: "one of the \(listed.count) \(thing.plural) that the licence lists",
                    remedy: "use the \(thing.plural) for which the licence was issued, or ask for a transfer: vsmp license transfer")
            }
        }
    }

    private static func names(_ nodes: [NodeIndex]) -> String {
        switch nodes.count {
        case 0: "no node"
        case 1: "node \(nodes[0])"
        default: "nodes " + nodes.map { "\($0)" }.joined(separator: ", ")
        }
    }
}

extension Binding.Thing {
    var code: Violation.Code {
        switch self {
        case .board: .board
        case .tpm: .tpm
        case .stick: .stick
        }
    }

    var plural: String { self == .tpm ? "TPMs" : "\(rawValue)s" }
}
