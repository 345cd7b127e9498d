import BoardSupport
package import Contract
import Bytes
import Platform
package import Coherence
package import KVM
import Interconnect
package import Licensing
import Machine
import Synchronization

/// One node from joining to the machine's end: what ``Membership`` decides is done here, one task after the other.
package final class NodeRuntime: Sendable {
    /// A page on its way: contents, message and frame header, and the headers of TCP, IP and Ethernet (IEEE 802.3) around three packets.
    private static let pageBits: UInt64 = (4096 + 48 + 3 * 78) * 8

    private let setup: Setup
    private let machine: VirtualMachine
    private let log: ConsoleLog
    /// Once this node has joined the others.
    private let rooms = Mutex<NodeRooms?>(nil)
    /// What this node's kernel takes its time-stamp counter for, once asked.
    private let kernelKilohertz = Atomic<UInt32>(0)
    private var node: NodeIndex { setup.configuration.node }
    private var count: Int { setup.configuration.nodes }
    private var outageSeconds: Int { setup.configuration.outageSeconds ?? Limits.standardOutageSeconds }

    /// - Parameter machine: kept open by the caller for the process's life.
    package init(_ setup: Setup, machine: VirtualMachine) {
        let log = ConsoleLog(write: setup.log)
        var setup = setup
        setup.log = { log.say($0) }
        self.setup = setup
        self.log = log
        self.machine = machine
    }

    /// Joins, runs the machine and returns how it ended.
    /// - Throws: `MeshError` when this node does not join; ``NodeError/licence(_:)`` when the machine is refused.
    package func run() throws -> MachineEnd {
        defer { log.close() }
        try Kick.install()
        setup.log(ConsoleWords.searching(node, of: count, kit: setup.configuration.kit))
        let (rooms, pages, keeper) = try join()
        defer { withExtendedLifetime(keeper) {} }
        self.rooms.withLock { $0 = rooms }
        let agreement = LicenceAgreement(node: node, count: count, licensing: setup.licensing)
        let (statement, warning) = agreement.statement
        if let warning { setup.log(warning) }
        rooms.membership.feed(.joined(statement))
        rooms.start()
        defer { rooms.stop() }
        return try work(rooms, agreement, pages)
    }

    private func join() throws -> (NodeRooms, [PageChannel<Connection>?], MeshKeeper) {
        var random = SystemRandomNumberGenerator()
        let identity = try NodeIdentity(
            index: node, count: count, kit: setup.configuration.kit, firmwareHash: setup.firmwareHash,
            holdings: setup.holdings, protection: setup.configuration.interconnect ?? .encrypted,
            link: setup.adapter == nil ? .tcp : .verbs, random: &random)
        let log = setup.log
        let watch = try WatchRoom(identity, key: setup.key, reach: setup.reach, outageSeconds: outageSeconds, sizer: setup.portSizer, say: log)
        var configuration = MeshConfiguration(identity: identity, key: setup.key, reach: setup.reach, patience: setup.patience)
        configuration.adapter = setup.adapter
        configuration.onPeer = { watch.expect($0, at: $1) }
        configuration.onStartedAnew = { watch.startedAnew($0) }
        watch.start()
        let mesh: JoinedMesh
        do throws(MeshError) { mesh = try Mesh.establish(configuration, log: { log($0) }) } catch {
            watch.stop()
            throw error
        }
        var control = [ControlLink?](repeating: nil, count: count)
        var coherence = [PageChannel<Connection>?](repeating: nil, count: count)
        for link in mesh.links {
            let index = link.peer.index
            control[node: index] = ControlLink(link.takeControl(), peer: index)
            coherence[node: index] = PageChannel(link.takeCoherence(), nodes: count)
        }
        return (try NodeRooms(setup, links: control, keeper: mesh.keeper, watch: watch, say: log), coherence, mesh.keeper)
    }

    /// Does what the membership asks for until it is over. A task that fails ends the machine on every node.
    private func work(_ rooms: NodeRooms, _ agreement: LicenceAgreement, _ pages: [PageChannel<Connection>?]) throws -> MachineEnd {
        while true {
            let task = rooms.membership.nextTask()
            do {
                switch task {
                case .judge(let statements): rooms.membership.feed(.judged(agreement.judge(statements)))
                case .remember(let outcome): agreement.remember(outcome)
                case .measure: rooms.membership.feed(.measured(try measure(rooms), clock: hostTimestamp()))
                case .build(let plan): rooms.membership.feed(.built(try build(plan, rooms, pages)))
                case .start: try start(rooms)
                case .celebrate: setup.onStart()
                case .collect: rooms.membership.feed(.collected(collect(rooms)))
                case .tell(let reports): tell(reports)
                case .leave(let end): return try leave(rooms, end)
                }
            } catch let shortage as MemoryShortage where !task.isLast {
                rooms.membership.feed(.shortOfMemory(why: "\(shortage)"))
            } catch let error as SystemError where !task.isLast && error.isOutOfMemory {
                rooms.membership.feed(.outOfMemory(why: "\(error)"))
            } catch where !task.isLast {
                rooms.membership.feed(.failed(why: "\(error)"))
            }
        }
    }

    // MARK: Tasks

    private func measure(_ rooms: NodeRooms) throws -> NodeHello {
        var resources = setup.resources
        let probe = try VirtualProcessor(machine, id: machine.processorIDLimit - 2)
        resources.timestampKilohertz = try probe.timestampKilohertz()
        let (table, withdrawn) = FeatureTrial.run(try machine.supportedCPUID())
        if !withdrawn.isEmpty { setup.log(ConsoleWords.withdrawn(withdrawn)) }
        kernelKilohertz.store(resources.timestampKilohertz, ordering: .sequentiallyConsistent)
        return NodeHello(resources: resources, counter: try rooms.clock.measure(), cpuid: table)
    }

    /// Builds this node's part, aligns its clock and, but for node 0, starts it: its processors wait for their start-up IPI.
    private func build(_ plan: MachinePlan, _ rooms: NodeRooms, _ pages: [PageChannel<Connection>?]) throws -> ClockFigures {
        try setup.memory?.check(plan, node)
        if plan.outageSeconds != outageSeconds { setup.log(ConsoleWords.otherOutage(mine: outageSeconds, machine: plan.outageSeconds)) }
        rooms.watch.adopt(outageSeconds: plan.outageSeconds)
        rooms.control.adopt(interruptionLimit: Interruptions.limit(outageSeconds: plan.outageSeconds))
        let speed = setup.portSpeed()
        setup.log(ConsoleWords.port(speed: speed))
        let (membership, node) = (rooms.membership, node)
        var part = MachineSession.Setup(
                node: node, plan: plan, policies: setup.policies, minimumHold: setup.minimumHold,
                pageTime: speed.map { Self.pageBits * 1_000_000_000 / max($0, 1) } ?? 0,
                forgetsShadows: setup.forgetsShadows, console: setup.console, identity: setup.identity, log: setup.log,
                droppedLines: { [log] in log.droppedCount })
        part.kernelKilohertz = kernelKilohertz.load(ordering: .sequentiallyConsistent)
        let session = try MachineSession(
            part, machine: machine, control: rooms.control, watch: rooms.watch, coherence: pages,
            interrupted: { [links = rooms.links] in links.interrupted($0, .coherence, $1) }, report: { membership.feed($0) })
        rooms.session.current = session
        rooms.links.bring(to: session)
        rooms.policies.bring(to: session)
        let figures = try rooms.clock.align(session)
        guard node != 0 else { return figures }
        if case .flat? = setup.guest { try session.start(guest: setup.guest) } else { try session.start(guest: nil) }
        return figures
    }

    private func start(_ rooms: NodeRooms) throws {
        let begun = monotonicNow()
        try rooms.session.current?.start(guest: setup.guest)
        setup.log(ConsoleWords.loaded(milliseconds: (monotonicNow() - begun) / 1_000_000))
        rooms.membership.feed(.started)
    }

    private func collect(_ rooms: NodeRooms) -> NodeReport? {
        guard let session = rooms.session.current else { return nil }
        session.stop()
        if !session.collect() { setup.log(ConsoleWords.notCollected) }
        return session.report()
    }

    private func tell(_ reports: [NodeReport]) {
        let all = report(of: reports)
        for line in all.text.split(separator: "\n") { setup.log(String(line)) }
        setup.log(ConsoleEvent.statistics(all.json).description)
    }

    private func leave(_ rooms: NodeRooms, _ end: MachineEnd) throws -> MachineEnd {
        rooms.session.current?.finish()
        if end == .refused { throw NodeError.licence(rooms.membership.membership.violations) }
        return end
    }

    /// Node 0, once the machine has ended: how often in a row the guest has reset before it reached user space.
    package var earlyResets: Int { rooms.withLock { $0 }?.membership.membership.earlyResets ?? 0 }

    /// How often each thread that everything waits for has come round its loop; none before this node has joined.
    package var progress: [String: UInt64] {
        guard let rooms = rooms.withLock({ $0 }) else { return [:] }
        return rooms.control.progress.merging(rooms.watch.progress) { $1 }.merging(rooms.session.current?.progress ?? [:]) { $1 }
    }

    // MARK: The operator's wishes

    /// The whole machine's figures now, asked of every node; nil while there is no machine.
    package func machineReport() -> MachineReport? { rooms.withLock { $0 }?.statistics.ask().map(report(of:)) }

    /// Every node of the machine goes over to other coherence policies.
    ///
    /// - Throws: ``PolicyChoiceError``; nothing changes then.
    package func use(_ policies: PolicySet) throws(PolicyChoiceError) {
        guard let rooms = rooms.withLock({ $0 }) else { throw .noMachine }
        try rooms.policies.use(policies)
    }

    /// Presses a button of the machine's front panel, or sends an NMI, on whichever node the operator is.
    package func operate(_ action: OperatorAction) throws(OperatorError) {
        // Before it runs, another node may have no devices yet that would answer.
        guard let rooms = rooms.withLock({ $0 }), rooms.membership.membership.phase == .running, let session = rooms.session.current else {
            throw .noMachine
        }
        try session.operate(action)
    }

    /// Gives the stick of every node another firmware, or none; the guest goes on running.
    ///
    /// - Returns: what each node says of its stick.
    package func update(_ bundle: [UInt8]) throws(UpdateRefusal) -> [NodeIndex: String] {
        guard let rooms = rooms.withLock({ $0 }), rooms.membership.membership.phase == .running else {
            throw UpdateRefusal(.unavailable, "\(OperatorError.noMachine)")
        }
        return try rooms.updates.update(bundle)
    }

    private func report(of nodes: [NodeReport]) -> MachineReport {
        MachineReport(nodes: nodes, firmwareHash: setup.firmwareHash, kit: setup.configuration.kit)
    }
}

/// Why a node has no machine.
package enum NodeError: Error, CustomStringConvertible {
    /// This node's reasons; none when only others refuse. They were said on the console.
    case licence([Violation])
    case clock

    package var description: String {
        switch self {
        case .licence(let violations):
            violations.isEmpty ? "another node refuses the machine's licence" : "the licence does not cover this machine: \(violations.map(\.code.rawValue).joined(separator: ", "))"
        case .clock: "node 0 answers no clock exchange; look at the interconnect"
        }
    }
}

extension MemoryDivision.Demand {
    /// Asks again, now that the slices of all nodes are known.
    fileprivate func check(_ plan: MachinePlan, _ node: NodeIndex) throws(MemoryShortage) {
        var demand = self
        let own = plan.resources[node: node]
        (demand.sliceMiB, demand.cacheMiB) = (own.sliceMiB, own.cacheMiB)
        demand.machineMiB = plan.resources.reduce(0) { $0 + $1.sliceMiB }
        _ = try MemoryDivision(demand)
    }
}
