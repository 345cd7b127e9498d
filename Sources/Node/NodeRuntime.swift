import Bytes
import Platform
import BoardSupport
package import Coherence
package import KVM
package import Interconnect
package import Licensing
package import Machine
import Synchronization

/// One node from joining to the machine's end. Everything it needs of the outside is in `Setup`, so that tests run
/// several in one process.
package final class NodeRuntime: @unchecked Sendable {
    package struct Setup {
        package var configuration: NodeConfiguration
        /// Coherence policies to start with.
        package var policies: PolicySet
        package var key: ClusterKey
        package var firmwareHash: FirmwareHash
        /// Every firmware on this node's stick; empty for the running one alone.
        package var holdings: [FirmwareHolding] = []
        package var reach: Reach
        package var resources: NodeResources
        package var licensing: NodeLicensing
        package var guest: GuestSource?
        package var console: GuestConsole
        /// What the guest is told of the machine's maker.
        package var identity: MachineIdentity
        /// The machine's devices and where they stand; node 0's list counts.
        package var devices = PlacedDevice.chipset()
        /// KVM shadows guest page tables here (AMD with npt=0).
        package var forgetsShadows: Bool
        /// Nanoseconds.
        package var minimumHold: UInt64
        /// Bits a second of the port to the other nodes, asked once they are joined; nil when nobody knows.
        package var portSpeed: @Sendable () -> UInt64?
        /// How long to wait for the other nodes, in nanoseconds; nil for ever.
        package var patience: UInt64?
        /// Called once when this node runs its part of a machine that has started.
        package var onStart: @Sendable () -> Void = {}
        package var log: @Sendable (String) -> Void

        package init(
            configuration: NodeConfiguration, policies: PolicySet, key: ClusterKey, firmwareHash: FirmwareHash, reach: Reach,
            resources: NodeResources, licensing: NodeLicensing, guest: GuestSource?, console: GuestConsole, identity: MachineIdentity = MachineIdentity(), forgetsShadows: Bool, minimumHold: UInt64,
            portSpeed: @escaping @Sendable () -> UInt64? = { nil }, patience: UInt64? = nil, log: @escaping @Sendable (String) -> Void
        ) {
            self.configuration = configuration
            self.policies = policies
            self.key = key
            self.firmwareHash = firmwareHash
            self.reach = reach
            self.resources = resources
            self.licensing = licensing
            self.guest = guest
            self.console = console
            self.identity = identity
            self.forgetsShadows = forgetsShadows
            self.minimumHold = minimumHold
            self.portSpeed = portSpeed
            self.patience = patience
            self.log = log
        }
    }

    /// A page on its way: contents, message and frame header, and the headers of TCP, IP and Ethernet (IEEE 802.3) around three packets.
    private static let pageBits: UInt64 = (4096 + 48 + 3 * 78) * 8

    private let setup: Setup
    private let machine: VirtualMachine
    private var control: ControlPlane!
    private let session = Mutex<MachineSession?>(nil)
    /// What this node was told last, by its set-up or by a node of the machine.
    private let policies: Mutex<PolicySet>
    private let inbox = Mutex<[ControlFrame]>([])
    private let inboxParker = Parker()
    private let statistics = Mutex<[UInt8: NodeReport]>([:])
    private let statisticsParker = Parker()
    private let earlyEnd = Mutex<MachineEnd?>(nil)
    private let estimator = Mutex(ClockOffsetEstimator())
    private let pongs = Parker()
    private let isOver = Atomic<Bool>(false)
    /// Whether the licence's edition permits a choice of policies; until there is a machine, nobody may.
    private let isPolicyChoiceFree = Atomic<Bool>(false)
    private let isLossTold = Mutex(false)
    private var node: Int { setup.configuration.node }
    private var count: Int { setup.configuration.nodes }

    /// - Parameter machine: kept open by the caller for the process's life.
    package init(_ setup: Setup, machine: VirtualMachine) {
        self.setup = setup
        self.machine = machine
        policies = Mutex(setup.policies)
    }

    /// Joins, runs the machine and returns how it ended.
    package func run() throws -> MachineEnd {
        try Kick.install()
        let identity = try makeIdentity()
        setup.log("node \(node) of \(count), kit \(setup.configuration.kit): looking for the other nodes")
        let log = setup.log
        let links = try Mesh.establish(
            MeshConfiguration(identity: identity, key: setup.key, reach: setup.reach, patience: setup.patience), log: { log($0) })
        var controlLinks = [ControlLink?](repeating: nil, count: count)
        var coherenceLinks = [PageChannel<Connection>?](repeating: nil, count: count)
        for link in links {
            let index = link.peer.index
            controlLinks[Int(index)] = ControlLink(link.takeControl(), peer: index)
            coherenceLinks[Int(index)] = PageChannel(link.takeCoherence(), nodes: count)
        }
        control = try ControlPlane(
            links: controlLinks, handler: { [weak self] in self?.handle($0) },
            onLoss: { [weak self] node, why in self?.lost(Int(node), why) },
            onBeat: { [weak self] in self?.beat() })
        control.start()
        defer { control.stop() }
        return try runMachine(coherenceLinks)
    }

    private func makeIdentity() throws(InterconnectError) -> NodeIdentity {
        var random = SystemRandomNumberGenerator()
        return try NodeIdentity(
            index: UInt8(node), count: UInt8(count), kit: setup.configuration.kit, firmwareHash: setup.firmwareHash,
            holdings: setup.holdings, random: &random)
    }

    // MARK: Phases

    private func runMachine(_ coherence: [PageChannel<Connection>?]) throws -> MachineEnd {
        let plan: MachinePlan
        do {
            plan = try agree()
        } catch let error as NodeError {
            if case .licence = error {
                // The others are about to say the same; nobody takes this node's leaving for its death.
                isOver.store(true, ordering: .sequentiallyConsistent)
                inboxParker.park(timeout: 1_000_000_000)
                throw error
            }
            guard let end = earlyEnd.withLock({ $0 }) else { throw error }
            announce(end)
            return end
        }
        let speed = setup.portSpeed()
        setup.log(speed.map { "the port to the other nodes carries \($0 / 1_000_000) Mbit/s" } ?? "the port's driver does not say how fast it is: reader-relay is off")
        let session = try MachineSession(
            MachineSession.Setup(
                node: node, plan: plan, policies: setup.policies, minimumHold: setup.minimumHold,
                pageTime: speed.map { Self.pageBits * 1_000_000_000 / max($0, 1) } ?? 0,
                forgetsShadows: setup.forgetsShadows, console: setup.console, identity: setup.identity, log: setup.log),
            machine: machine, control: control, coherence: coherence, report: { [weak self] in self?.take($0) })
        self.session.withLock { $0 = session }
        // Another node's word may have come before there was a session.
        session.use(policies.withLock { $0 })
        describe(session)
        do {
            try alignClock(session)
            try startTogether(session)
            setup.onStart()
        } catch let error as NodeError {
            finish(.failed(node: node, why: "\(error)"))
        }
        let end = waitForEnd()
        session.stop()
        return conclude(session, end)
    }

    private func waitForEnd() -> MachineEnd {
        while true {
            if let end = earlyEnd.withLock({ $0 }) { return end }
            inboxParker.park(timeout: 1_000_000_000)
        }
    }

    private func take(_ incident: MachineSession.Incident) {
        switch incident {
        case .guestPoweredOff: finish(.poweredOff)
        case .guestReset: finish(.reboot)
        case .failed(let why): finish(.failed(node: node, why: why))
        case .lost(let peer, let why): lost(peer, why)
        }
    }

    /// Every node checks the licence; then all tell node 0 what they lend, and it answers with the plan.
    private func agree() throws -> MachinePlan {
        let agreement = LicenceAgreement(node: node, count: count, licensing: setup.licensing, log: setup.log)
        let terms = try agreement.reach(
            broadcast: { control.broadcast(.membership, $0, payload: $1) }, wait: { try wait(for: $0, seconds: 60) })
        // Before the plan, which no node has until all have come this far: another node's policies may follow at once.
        isPolicyChoiceFree.store(terms.isPolicyChoiceFree, ordering: .sequentiallyConsistent)
        let plan = try makePlan()
        guard plan.resources.count == count else { throw NodeError.licence([.statement("\(plan.resources.count) nodes in the plan", need: "\(count)")]) }
        let wrong = zip(plan.resources, terms.statements).enumerated().compactMap { index, pair in pair.1.mismatch(pair.0, node: index) }
        guard wrong.isEmpty else {
            for violation in wrong { setup.log("\(violation)") }
            throw NodeError.licence(wrong)
        }
        return plan
    }

    private func makePlan() throws -> MachinePlan {
        var resources = setup.resources
        let table = CPUIDTable(kvm: try machine.supportedCPUID())
        resources.timestampKilohertz = try measureTimestamp()
        guard node == 0 else {
            control.send(
                to: 0, .membership, [MembershipKind.hello.rawValue],
                payload: NodeHello(resources: resources, cpuid: table).encoded())
            return try MachinePlan(decoding: try wait(for: .plan, seconds: 60).payload)
        }
        var all = [NodeResources?](repeating: nil, count: count)
        var common = table
        all[0] = resources
        while all.contains(where: { $0 == nil }) {
            let frame = try wait(for: .hello, seconds: 60)
            guard all[Int(frame.from)] == nil else { continue }
            let hello = try NodeHello(decoding: frame.payload)
            try check(hello.resources, of: frame.from, against: resources)
            all[Int(frame.from)] = hello.resources
            common = try common.intersection(hello.cpuid)
        }
        let plan = MachinePlan(resources: all.compactMap { $0 }, cpuid: common, clockOrigin: hostTimestamp(), devices: setup.devices)
        control.broadcast(.membership, [MembershipKind.plan.rawValue], payload: plan.encoded())
        return plan
    }

    private func measureTimestamp() throws(SystemError) -> UInt32 {
        let probe = try VirtualProcessor(machine, id: machine.processorIDLimit - 2)
        return try probe.timestampKilohertz()
    }

    /// Counters that run at different speeds cannot be kept together without scaling.
    private func check(_ theirs: NodeResources, of peer: UInt8, against mine: NodeResources) throws {
        let difference = abs(Int64(theirs.timestampKilohertz) - Int64(mine.timestampKilohertz))
        guard difference * 100 <= Int64(mine.timestampKilohertz) else {
            throw NodeError.frequencies(node: Int(peer), theirs: theirs.timestampKilohertz, mine: mine.timestampKilohertz)
        }
    }

    private func describe(_ session: MachineSession) {
        let layout = session.layout
        setup.log(
            "one machine: \(count) nodes, \(layout.processors.count) processors, "
                + "\(session.setup.plan.resources.reduce(0) { $0 + $1.sliceMiB }) MiB")
        for (index, r) in session.setup.plan.resources.enumerated() {
            setup.log(
                "  node \(index): \(r.processors) processors, \(r.physicalMiB) MiB = firmware \(r.firmwareMiB) + slice \(r.sliceMiB)"
                    + " + cache \(r.cacheMiB)")
        }
    }

    private func startTogether(_ session: MachineSession) throws {
        if node == 0 {
            var ready = Interconnect.NodeSet([0])
            while ready.count < count {
                let frame = try wait(for: .ready, seconds: 60)
                ready.insert(frame.from)
                var reader = ByteReader(Array(frame.body.dropFirst()))
                let bound = try reader.take(UInt64.self)
                let trip = try reader.take(UInt64.self)
                setup.log(
                    "node \(frame.from): guest clock within \(bound / 1000) us of node 0's (fastest message \(trip / 2000) us)")
            }
            let begun = monotonicNow()
            try session.start(guest: setup.guest)
            setup.log("guest loaded in \((monotonicNow() - begun) / 1_000_000) ms and started")
            control.broadcast(.membership, [MembershipKind.start.rawValue])
        } else {
            if case .flat? = setup.guest { try session.start(guest: setup.guest) } else { try session.start(guest: nil) }
            var writer = ByteWriter()
            writer.put(MembershipKind.ready.rawValue)
            let figures = clockFigures(session)
            session.recordSkew(bound: figures.bound, roundTrip: figures.roundTrip)
            writer.put(figures.bound)
            writer.put(figures.roundTrip)
            control.send(to: 0, .membership, writer.bytes)
            _ = try wait(for: .start, seconds: 120)
            setup.log("the guest runs; its console is on node 0")
        }
    }

    /// Stops this node's part and exchanges figures, so that no node takes another's leaving for its death.
    private func conclude(_ session: MachineSession, _ end: MachineEnd) -> MachineEnd {
        isOver.store(true, ordering: .sequentiallyConsistent)
        announce(end)
        var writer = ByteWriter()
        writer.put(MembershipKind.end.rawValue)
        writer.put(raw: end.encoded())
        control.broadcast(.membership, writer.bytes)
        let isCollected = session.collect()
        if !isCollected { setup.log("a processor did not come back in time") }
        let report = session.report()
        if node == 0 {
            var reports: [UInt8: NodeReport] = [0: report]
            let deadline = monotonicNow() + 2_000_000_000
            while reports.count < count, monotonicNow() < deadline, let frame = try? wait(for: .report, seconds: 2, evenAtEnd: true) {
                if let report = try? NodeReport(decoding: frame.payload) { reports[frame.from] = report }
            }
            let all = MachineReport(
                nodes: reports.values.sorted { $0.node < $1.node }, firmwareHash: "\(setup.firmwareHash)",
                kit: setup.configuration.kit)
            for line in all.text.split(separator: "\n") { setup.log(String(line)) }
            setup.log("VSMP-STAT " + all.json)
            control.broadcast(.membership, [MembershipKind.goodbye.rawValue])
        } else {
            control.send(to: 0, .membership, [MembershipKind.report.rawValue], payload: report.encoded())
            if case .lost(0, _) = end {} else { _ = try? wait(for: .goodbye, seconds: 3, evenAtEnd: true) }
        }
        // A thread that does not come back ends with the process; waiting for it would hang this board.
        if isCollected { session.finish() }
        self.session.withLock { $0 = nil }
        return end
    }

    private func announce(_ end: MachineEnd) {
        switch end {
        case .poweredOff: setup.log("the guest powered off")
        case .reboot: setup.log("the guest asked for a reboot")
        case .lost(let peer, let why): announceLoss(peer, why)
        case .failed(let node, let why): setup.log("FAILED node \(node) (\(why)): guest stopped")
        }
    }

    // MARK: Control frames

    private func handle(_ frame: ControlFrame) {
        switch frame.kind {
        case .membership:
            if frame.body.first == MembershipKind.end.rawValue {
                guard let end = try? MachineEnd(decoding: Array(frame.body.dropFirst())) else { return }
                if case .lost(let node, let why) = end { lost(node, "reported by node \(frame.from): \(why)") } else { finish(end) }
                return
            }
            inbox.withLock { $0.append(frame) }
            inboxParker.unpark()
        case .timePing:
            var writer = ByteWriter()
            writer.put(raw: frame.body)
            writer.put(frame.timestamp)
            writer.put(hostTimestamp())
            control.send(to: frame.from, .timePong, writer.bytes)
        case .timePong:
            var reader = ByteReader(frame.body)
            guard let t0 = try? reader.take(UInt64.self), let t1 = try? reader.take(UInt64.self),
                let t2 = try? reader.take(UInt64.self)
            else { return }
            estimator.withLock { _ = $0.add(t0: t0, t1: t1, t2: t2, t3: frame.timestamp) }
            pongs.unpark()
        case .statRequest:
            if let session = session.withLock({ $0 }) {
                // No waiting here: the loop starts after clock exchanges that this thread takes, and a peer's heartbeats would go unheard.
                control.send(to: frame.from, .statReply, [], payload: session.report(waits: false).encoded())
            }
        case .statReply:
            if let report = try? NodeReport(decoding: frame.payload) {
                statistics.withLock { $0[frame.from] = report }
                statisticsParker.unpark()
            }
        case .policies:
            if isPolicyChoiceFree.load(ordering: .sequentiallyConsistent), let policies = try? PolicySet(decoding: frame.body) { take(policies) }
        default:
            _ = session.withLock { $0 }?.handle(frame)
        }
    }

    private func wait(for kind: MembershipKind, seconds: UInt64, evenAtEnd: Bool = false) throws(NodeError) -> ControlFrame {
        let deadline = monotonicNow() + seconds * 1_000_000_000
        while true {
            let found = inbox.withLock { inbox -> ControlFrame? in
                guard let index = inbox.firstIndex(where: { $0.body.first == kind.rawValue }) else { return nil }
                return inbox.remove(at: index)
            }
            if let found { return found }
            if !evenAtEnd, earlyEnd.withLock({ $0 }) != nil { throw .ended }
            let now = monotonicNow()
            guard now < deadline else { throw .timeout(kind, seconds: seconds) }
            inboxParker.park(timeout: min(deadline - now, 200_000_000))
        }
    }

    private func finish(_ end: MachineEnd) {
        let isNew = earlyEnd.withLock { early in
            defer { if early == nil { early = end } }
            return early == nil
        }
        guard isNew else { return }
        session.withLock { $0 }?.stop()
        inboxParker.unpark()
    }

    private func lost(_ peer: Int, _ why: String) {
        guard !isOver.load(ordering: .sequentiallyConsistent), earlyEnd.withLock({ $0 }) == nil else { return }
        finish(.lost(node: peer, why: why))
        announceLoss(peer, why)
    }

    /// Says on this node's own console whom the machine lost: whoever learns of it first, the control plane or the coherence loop, and nobody
    /// goes on before it is said.
    private func announceLoss(_ peer: Int, _ why: String) {
        isLossTold.withLock { isTold in
            guard !isTold else { return }
            isTold = true
            var share = ""
            if let plan = session.withLock({ $0 })?.setup.plan {
                let r = plan.resources[peer]
                share = " it lent \(r.processors) processors and \(r.sliceMiB) MiB;"
            }
            setup.log("LOST node \(peer) (\(why)): guest stopped;\(share) power-cycle that board, then start all boards again")
        }
    }

    // MARK: Time

    /// Aligns this node's guest clock with node 0's from the quickest of many exchanges.
    private func alignClock(_ session: MachineSession) throws(NodeError) {
        guard node != 0 else { return }
        let deadline = monotonicNow() + 3_000_000_000
        for _ in 0..<64 where monotonicNow() < deadline {
            ping()
            pongs.park(timeout: 100_000_000)
        }
        guard let estimate = estimator.withLock({ $0.estimate }) else { throw .clock }
        session.clock.setOffset(0 &- session.setup.plan.clockOrigin &+ UInt64(bitPattern: estimate.offset))
    }

    private func ping() {
        var writer = ByteWriter()
        writer.put(hostTimestamp())
        control.send(to: 0, .timePing, writer.bytes)
    }

    private func clockFigures(_ session: MachineSession) -> (bound: UInt64, roundTrip: UInt64) {
        guard let estimate = estimator.withLock({ $0.estimate }) else { return (0, 0) }
        return (
            UInt64(max(0, session.clock.nanoseconds(ofTicks: estimate.errorBound))),
            UInt64(max(0, session.clock.nanoseconds(ofTicks: estimate.minimumRoundTrip)))
        )
    }

    /// Every 100 ms: another exchange; a node whose clock has fallen behind node 0's by more than the bound steps forward.
    private func beat() {
        guard node != 0, let session = session.withLock({ $0 }), !isOver.load(ordering: .sequentiallyConsistent) else { return }
        ping()
        guard let estimate = estimator.withLock({ $0.estimate }) else { return }
        let wanted = 0 &- session.setup.plan.clockOrigin &+ UInt64(bitPattern: estimate.offset)
        let behind = Int64(bitPattern: wanted &- session.clock.offset)
        if behind > estimate.errorBound { session.clock.advance(by: UInt64(behind)) }
        let figures = clockFigures(session)
        session.recordSkew(bound: figures.bound, roundTrip: figures.roundTrip)
    }

    // MARK: Policies

    /// Every node of the machine goes over to other coherence policies.
    ///
    /// - Throws: ``PolicyChoiceError``; nothing changes then.
    package func use(_ policies: PolicySet) throws(PolicyChoiceError) {
        guard session.withLock({ $0 }) != nil else { throw .noMachine }
        guard isPolicyChoiceFree.load(ordering: .sequentiallyConsistent) else { throw .notLicensed }
        control.broadcast(.policies, policies.encoded())
        take(policies)
    }

    private func take(_ policies: PolicySet) {
        self.policies.withLock { $0 = policies }
        session.withLock { $0 }?.use(policies)
    }

    // MARK: Figures

    /// The whole machine's figures now, asked of every node; nil while there is no machine.
    package func machineReport() -> MachineReport? {
        guard let session = session.withLock({ $0 }) else { return nil }
        statistics.withLock { $0 = [:] }
        control.broadcast(.statRequest, [])
        let mine = session.report()
        let deadline = monotonicNow() + 2_000_000_000
        while statistics.withLock({ $0.count }) < count - 1, monotonicNow() < deadline {
            statisticsParker.park(timeout: 100_000_000)
        }
        let others = statistics.withLock { Array($0.values) }
        return MachineReport(
            nodes: ([mine] + others).sorted { $0.node < $1.node }, firmwareHash: "\(setup.firmwareHash)",
            kit: setup.configuration.kit)
    }
}

/// Why a running machine keeps its coherence policies.
package enum PolicyChoiceError: Error, CustomStringConvertible {
    case noMachine, notLicensed

    package var description: String {
        switch self {
        case .noMachine: "no machine runs yet"
        case .notLicensed: "licence L312 features: the licence's edition does not permit policy-choice"
        }
    }
}

/// Why a node could not make the machine start.
package enum NodeError: Error, CustomStringConvertible {
    /// This node's reasons; none when only others refuse. They were said on the console.
    case licence([Violation])
    case timeout(MembershipKind, seconds: UInt64)
    case ended
    case clock
    case frequencies(node: Int, theirs: UInt32, mine: UInt32)

    package var description: String {
        switch self {
        case .timeout(let kind, let seconds): "waited \(seconds) s for '\(kind)' of another node; look at that node's console"
        case .licence(let violations):
            violations.isEmpty ? "another node refuses the machine's licence" : "the licence does not cover this machine: \(violations.map(\.code.rawValue).joined(separator: ", "))"
        case .ended: "the machine ended before it started"
        case .clock: "node 0 answers no clock exchange; look at the interconnect"
        case .frequencies(let node, let theirs, let mine):
            "node \(node)'s time-stamp counter runs at \(theirs) kHz, node 0's at \(mine) kHz: "
                + "these processors cannot share one clock; use boards of one model"
        }
    }
}
