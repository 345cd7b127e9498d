import Contract
import Bytes
import Interconnect
import Licensing
import Machine

/// From the first word to the guest's start.
extension Membership {
    // MARK: Licence

    mutating func join(_ statement: LicenceStatement) {
        guard phase == .joining else { return }
        peers[node: node].statement = statement
        act(.broadcast(.licence(statement)))
        enter(.stating, patience: Patience.phase)
        judgeWhenAllHaveStated()
    }

    mutating func state(_ statement: LicenceStatement, of peer: NodeIndex) {
        peers[node: peer].statement = statement
        guard phase == .stating else { return }
        renew()
        judgeWhenAllHaveStated()
    }

    private mutating func judgeWhenAllHaveStated() {
        guard all({ $0.statement != nil }) else { return }
        enter(.judging, patience: nil)
        act(.perform(.judge(peers.compactMap(\.statement))))
    }

    mutating func judged(_ outcome: LicenceOutcome) {
        guard phase == .judging else { return }
        self.outcome = outcome
        violations = outcome.violations
        for violation in violations { act(.say("\(violation)")) }
        act(.broadcast(.verdict(LicenceVerdictMessage(violations: violations.map(\.description)))))
        enter(.awaitingVerdicts, patience: Patience.phase)
        concludeWhenAllHaveJudged()
    }

    mutating func take(_ verdict: [String], of peer: NodeIndex) {
        peers[node: peer].verdict = verdict
        // What this node found itself need not be said twice.
        for text in verdict where !violations.contains(where: { $0.description.prefix(400) == text }) {
            act(.say("node \(peer) says: \(sanitized(text.utf8, limit: 400))"))
        }
        guard phase == .awaitingVerdicts else { return }
        renew()
        concludeWhenAllHaveJudged()
    }

    /// Whether anybody refuses, as far as is known.
    var isRefused: Bool { !violations.isEmpty || peers.contains { $0.verdict?.isEmpty == false } }

    private mutating func concludeWhenAllHaveJudged() {
        guard let outcome, all({ $0.verdict != nil }) else { return }
        guard !isRefused else { return add([.refused]) }
        terms = outcome
        for banner in outcome.banners { act(.say(banner)) }
        act(.perform(.remember(outcome)))
        act(.perform(.measure))
        enter(.measuring, patience: nil)
    }

    // MARK: Plan

    mutating func measured(_ hello: NodeHello, _ clock: UInt64) {
        guard phase == .measuring else { return }
        peers[node: node].hello = hello
        clockOrigin = clock
        enter(.awaitingPlan, patience: Patience.phase)
        if node == 0 { planWhenAllHaveMeasured() } else { act(.send(.hello(hello), to: 0)) }
    }

    mutating func take(_ hello: NodeHello, of peer: NodeIndex) {
        peers[node: peer].hello = hello
        guard phase == .awaitingPlan else { return }
        renew()
        planWhenAllHaveMeasured()
    }

    private mutating func planWhenAllHaveMeasured() {
        let hellos = peers.compactMap(\.hello)
        guard hellos.count == count else { return }
        var common = hellos[0].cpuid
        let frequency = CommonFrequency(hellos)
        if let (odd, kilohertz) = frequency.odd {
            return add([.unsuitable(node: odd, .clock, why: ConsoleWords.clash(of: odd, kilohertz: kilohertz, with: frequency.kilohertz))])
        }
        for (wrong, kilohertz) in frequency.miscalibrated {
            act(.say(ConsoleWords.miscalibrated(wrong, believed: hellos[wrong.position].resources.timestampKilohertz, measured: kilohertz)))
        }
        for (peer, hello) in zip(NodeIndex.all(of: count), hellos).dropFirst() {
            do {
                common = try common.intersection(hello.cpuid)
            } catch {
                return add([.unsuitable(node: peer, .board, why: ConsoleWords.unlike(error, of: peer))])
            }
        }
        var resources = hellos.map(\.resources)
        // A plan that no node can build is not sent: whoever reads it would take node 0 for the fault.
        do { _ = try MachineLayout(nodes: resources.map(\.description)) } catch {
            return add([.unsuitable(node: error.node ?? node, .board, why: ConsoleWords.impossible(error))])
        }
        for index in resources.indices { resources[index].timestampKilohertz = frequency.kilohertz }
        let plan = MachinePlan(resources: resources, cpuid: common, clockOrigin: clockOrigin, devices: devices, outageSeconds: outageSeconds)
        act(.broadcast(.plan(plan)))
        adopt(plan)
    }

    /// Every node holds the plan against what each board stated for the licence.
    mutating func adopt(_ plan: MachinePlan) {
        let wrong: [Violation] =
            plan.resources.count == count
            ? zip(plan.resources, peers.compactMap(\.statement)).enumerated().compactMap { index, pair in
                BoardStatement(pair.1).mismatch(pair.0, node: NodeIndex(index))
            } : [.statement("\(plan.resources.count) nodes in the plan", need: "\(count)")]
        guard wrong.isEmpty else {
            violations = wrong
            for violation in wrong { act(.say("\(violation)")) }
            return add([.refused])
        }
        self.plan = plan
        if node != 0, let own = peers[node: node].hello?.resources.timestampKilohertz, CommonFrequency.differs(own, plan.resources[0].timestampKilohertz) {
            act(.say(ConsoleWords.miscalibrated(node, believed: own, measured: plan.resources[0].timestampKilohertz)))
        }
        for line in ConsoleWords.machine(plan) { act(.say(line)) }
        act(.perform(.build(plan)))
        enter(.building, patience: nil)
    }

    // MARK: Start

    mutating func built(_ figures: ClockFigures) {
        guard phase == .building else { return }
        peers[node: node].figures = figures
        if node == 0 {
            enter(.awaitingStart, patience: Patience.phase)
            startWhenAllAreReady()
        } else {
            act(.send(.ready(figures), to: 0))
            enter(.awaitingStart, patience: Patience.start)
        }
    }

    mutating func take(_ figures: ClockFigures, of peer: NodeIndex) {
        peers[node: peer].figures = figures
        act(.say(ConsoleWords.clock(of: peer, figures)))
        guard phase == .awaitingStart else { return }
        renew()
        startWhenAllAreReady()
    }

    private mutating func startWhenAllAreReady() {
        guard all({ $0.figures != nil }) else { return }
        enter(.starting, patience: nil)
        act(.perform(.start))
    }

    mutating func started() {
        guard phase == .starting else { return }
        act(.broadcast(.start))
        run()
    }

    mutating func run() {
        enter(.running, patience: nil)
        if node != 0 { act(.say(ConsoleWords.guestRuns)) }
        act(.perform(.celebrate))
    }
}
