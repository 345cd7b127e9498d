package import Contract
import BoardSupport

/// The judgement of one boot as a value: console lines, power changes and the passing of time go in; faults to inflict
/// and the verdict come out. It knows no file, process or clock, so every ending can be tested.
///
/// All times are durations since power-on.
package struct BootProgress {
    package enum Action: Equatable, Sendable {
        case inflict(FaultInjection)
        case finish(Verdict)
    }

    /// How soon a survivor must have said which node was lost: the outage that is survived, and 2 s to agree.
    package static let lossLimit: Duration = .seconds(Limits.standardOutageSeconds + 2)
    /// How long boards may take to switch off after the machine's end.
    package static let powerOffLimit: Duration = .seconds(90)

    package struct Loss: Equatable, Sendable {
        /// The node that spoke.
        package var reporter: NodeIndex
        /// The node it named.
        package var lost: NodeIndex
        package var at: Duration
    }

    private let nodes: Int
    private let timeout: Duration
    /// Whether what boards do when they join again belongs to the run.
    private let awaitsRejoining: Bool
    /// Faults to come; `due` is known once the line that one waits for has come.
    private var pending: [(fault: FaultInjection, pattern: Regex<AnyRegexOutput>?, due: Duration?)] = []
    private var finished = false
    private var stopped: Set<NodeIndex> = []
    /// Those that join again by themselves, and so stay on.
    private var rejoining: Set<NodeIndex> = []
    private var guestEnd: Verdict?
    private var firmwarePanic: String?
    /// The last refusal that each node spoke of. It explains an ending, it is not one.
    private var refusals: [NodeIndex: String] = [:]
    /// Why each node says that the licence does not cover the machine.
    private var licenceRefusals: [NodeIndex: String] = [:]
    private var nodeEnds: [NodeIndex: Int32] = [:]
    private var lastSentence: [NodeIndex: String] = [:]
    /// What each node said last before its program ended.
    private var lastWords: [NodeIndex: String] = [:]
    /// When the machine's end became known; boards should switch off soon after.
    private var endedAt: Duration?

    package private(set) var inflicted: [(fault: FaultInjection, at: Duration)] = []
    package private(set) var losses: [Loss] = []
    package private(set) var statistics: [String] = []

    /// - Parameter awaitsRejoining: the run goes on when all boards join again, until ``powerOffLimit`` after the loss.
    package init(nodes: Int, timeout: Duration, faults: [FaultInjection] = [], awaitsRejoining: Bool = false) throws(LabError) {
        self.nodes = nodes
        self.awaitsRejoining = awaitsRejoining
        self.timeout = timeout
        for fault in faults {
            guard fault.node.position < nodes else {
                throw LabError(
                    .usage, "--\(fault.kind) names node \(fault.node), but the nodes are 0 to \(nodes - 1)")
            }
            switch fault.moment {
            case .seconds(let seconds): pending.append((fault, nil, .seconds(seconds)))
            case .guestLine(let text, _):
                do { pending.append((fault, try Regex(text), nil)) } catch {
                    throw LabError(.usage, "--\(fault.kind): cannot read the regular expression /\(text)/: \(error)")
                }
            }
        }
    }

    /// A complete line of node `node`'s firmware console.
    package mutating func firmwareLine(_ line: String, node: NodeIndex, at now: Duration) {
        switch ConsoleEvent(firmwareLine: line) {
        case .lost(let lost, _, _):
            losses.append(Loss(reporter: node, lost: lost, at: now))
            end(at: now)
        case .cut(let low, let high, _):
            losses.append(Loss(reporter: node, lost: low == node ? high : low, at: now))
            end(at: now)
        case .alone:
            losses.append(Loss(reporter: node, lost: node == 0 ? 1 : 0, at: now))
            end(at: now)
        case .refusal?: refusals[node] = ConsoleEvent.sentence(of: line)
        case .licence?:
            if let why = ConsoleEvent.sentence(of: line) { licenceRefusals[node] = licenceRefusals[node].map { "\($0); \(why)" } ?? why }
        case .nodeEnded(let status):
            if nodeEnds[node] == nil {
                nodeEnds[node] = status
                lastWords[node] = lastSentence[node]
            }
            end(at: now)
        case .rejoins: if !awaitsRejoining { rejoining.insert(node) }
        case .statistics(let json): statistics.append(json)
        case .panic(let text):
            if firmwarePanic == nil { firmwarePanic = "the firmware's kernel on node \(node) stopped: Kernel panic\(text)" }
            end(at: now)
        default: lastSentence[node] = ConsoleEvent.sentence(of: line) ?? lastSentence[node]
        }
    }

    /// A line of the guest's console: complete, or the beginning of one that has not ended yet.
    package mutating func guestLine(_ line: String, complete: Bool = true, at now: Duration) -> [Action] {
        if complete, guestEnd == nil {
            switch ConsoleEvent(guestLine: line) {
            case .guestExit(let code):
                guestEnd = Verdict(guestExit: code)
                end(at: now)
            case .panic(let text):
                guestEnd = Verdict(.fail, .guestFailed, "the guest's kernel stopped: Kernel panic\(text)")
                end(at: now)
            default: break
            }
        }
        for index in pending.indices where pending[index].due == nil {
            guard case .guestLine(_, let seconds) = pending[index].fault.moment, let pattern = pending[index].pattern,
                line.firstMatch(of: pattern) != nil
            else { continue }
            pending[index].due = now + .seconds(seconds)
        }
        return inflictDue(at: now)
    }

    /// Node `node` has no power any more, whoever took it.
    package mutating func boardStopped(node: NodeIndex) { stopped.insert(node) }

    /// Called regularly; asks for faults that are due, or gives the verdict (once).
    package mutating func tick(at now: Duration) -> [Action] {
        guard !finished else { return [] }
        let due = inflictDue(at: now)
        if !due.isEmpty { return due }
        if let verdict = verdict(at: now) {
            finished = true
            return [.finish(verdict)]
        }
        return []
    }

    private mutating func end(at now: Duration) {
        if endedAt == nil { endedAt = now }
    }

    private mutating func inflictDue(at now: Duration) -> [Action] {
        var actions: [Action] = []
        pending.removeAll { entry in
            guard let due = entry.due, due <= now else { return false }
            inflicted.append((entry.fault, now))
            actions.append(.inflict(entry.fault))
            return true
        }
        return actions
    }

    private func verdict(at now: Duration) -> Verdict? {
        let allStopped = stopped.union(rejoining).count == nodes
        if !inflicted.isEmpty && pending.isEmpty { return faultVerdict(at: now, allStopped: allStopped) }
        if allStopped { return outcome() }
        // Such boards stay on, so that their consoles can be read.
        let refusing = nodeEnds.filter { $0.value == ExitStatus.licenceRefused.rawValue }.keys
        if !refusing.isEmpty, stopped.union(refusing).count == nodes { return outcome() }
        if let endedAt, now - endedAt >= Self.powerOffLimit {
            let verdict = outcome()
            guard verdict.kind == .pass else { return verdict }
            return Verdict(
                .fail, .timeout,
                "the guest reported success, but \(running) had not switched off \(Self.powerOffLimit) later")
        }
        guard now >= timeout else { return nil }
        if let refusal { return refusal }
        return Verdict(.fail, .timeout, "no verdict from the guest within \(timeout)")
    }

    /// What the consoles said, in order of what explains most.
    private func outcome() -> Verdict {
        if nodeEnds.values.contains(ExitStatus.peerRefused.rawValue) {
            let node = nodeEnds.filter { $0.value == ExitStatus.peerRefused.rawValue }.keys.min() ?? 0
            return refusal ?? Verdict(.fail, .peerRefused, lastWords[node].map { "node \(node) said: \($0)" } ?? "a node refused another and did not say why")
        }
        if nodeEnds.values.contains(ExitStatus.licenceRefused.rawValue) {
            let why = licenceRefusals.min { $0.key < $1.key }.map { "node \($0.key) said: \($0.value)" }
            return Verdict(.fail, .licenceRefused, why ?? "a node refused the licence and did not say why")
        }
        if let firmwarePanic { return Verdict(.fail, .guestFailed, firmwarePanic) }
        if let loss = losses.first {
            return Verdict(.fail, .nodeLost, "node \(loss.reporter) lost node \(loss.lost), and no fault was inflicted")
        }
        if !pending.isEmpty {
            return Verdict(
                .infrastructure, .unavailable,
                "the machine ended before the moment of --\(pending[0].fault.kind) \(pending[0].fault.node)@... came")
        }
        if let guestEnd { return guestEnd }
        if let (node, status) = nodeEnds.min(by: { $0.key < $1.key }) {
            return Verdict(.fail, status: status, "vsmpd of node \(node) ended with status \(status)" + (lastWords[node].map { ": \($0)" } ?? ""))
        }
        return refusal ?? Verdict(.fail, .guestFailed, "every board switched off and the guest gave no verdict")
    }

    private var refusal: Verdict? {
        refusals.min { $0.key < $1.key }.map { Verdict(.fail, .peerRefused, "node \($0.key) said: \($0.value)") }
    }

    private var running: String {
        let names = NodeIndex.all(of: nodes).filter { !stopped.contains($0) && !rejoining.contains($0) }.map { "node \($0)" }
        return names.joined(separator: ", ")
    }
}

// MARK: - After an inflicted fault

extension BootProgress {
    /// How long after the last fault each board that still runs first said that a node is lost; nil is silence.
    package func lossDelays() -> [(node: NodeIndex, delay: Duration?)] {
        guard let last = inflicted.last?.at else { return [] }
        let killed = Set(inflicted.filter { $0.fault.kind == .kill }.map(\.fault.node))
        return NodeIndex.all(of: nodes).filter { !killed.contains($0) }.map { node in
            (node, losses.first { $0.reporter == node && $0.at >= last }.map { $0.at - last })
        }
    }

    private func faultVerdict(at now: Duration, allStopped: Bool) -> Verdict? {
        guard let last = inflicted.last?.at else { return nil }
        let delays = lossDelays()
        let silent = delays.filter { $0.delay == nil }.map(\.node)
        let late = delays.filter { $0.delay ?? .zero > Self.lossLimit }
        if !silent.isEmpty {
            // Late words are worth waiting for: they say by how much the limit was missed.
            guard allStopped || now - last >= Self.lossLimit * 2 else { return nil }
            return Verdict(
                .fail, .timeout,
                "node \(silent.map { "\($0)" }.joined(separator: ", ")) never said that a node was lost")
        }
        guard allStopped || now - last >= Self.powerOffLimit else { return nil }
        if !late.isEmpty {
            return Verdict(
                .fail, .timeout,
                "node \(late.map { "\($0.node)" }.joined(separator: ", ")) took longer than \(Self.lossLimit)"
                    + " to say that a node was lost")
        }
        if !allStopped {
            return Verdict(.fail, .timeout, "\(running) did not switch off after the loss")
        }
        return Verdict(.pass, .nodeLost, "every surviving board said within \(Self.lossLimit) that a node was lost")
    }
}
