public import Contract

/// What a station does next: which stick in which slot becomes which stick of which kit. A pure state machine; ``StationPlan/heard(_:)`` is its only
/// step.
///
/// A kit takes as many slots as it has sticks, in the order of both (a kit that has more goes through its slots in rounds). When all its sticks are
/// verified its slots go to the next kit. A stick of a kit stays the business of its slot until it is verified, whichever stick it takes.
public struct StationPlan: Sendable {
    /// One of a kit's sticks.
    public struct KitStick: Sendable, Hashable {
        /// Which of the kits, from 0.
        public var kit: Int
        public var node: NodeIndex
    }

    /// One stick while it is plugged in: nothing has the same mark at another time.
    public struct Stick: Sendable, Hashable {
        public var mark: String
        public init(_ mark: String) { self.mark = mark }
    }

    public enum Event: Sendable, Equatable {
        /// It was there before the station began.
        case found(slot: Int, Stick)
        case arrived(slot: Int, Stick)
        case left(slot: Int)
        /// What writing, or what forbade it, came to.
        case ended(slot: Int, Stick, StickVerdict)
    }

    public enum Action: Sendable, Equatable {
        case write(slot: Int, Stick, KitStick)
        case whole(kit: Int)
        /// All kits are whole.
        case finished
    }

    public enum State: Sendable, Equatable {
        /// Waits for a stick.
        case empty
        /// Nobody has said that this stick may be erased.
        case stale(Stick)
        /// Waits for its kit's other slots to be ready.
        case waiting(Stick)
        case writing(Stick, KitStick)
        /// To be removed.
        case verified(Stick, KitStick)
        /// To be replaced.
        case failed(Stick, KitStick, StickVerdict)

        var stick: Stick? {
            switch self {
            case .empty: nil
            case .stale(let stick), .waiting(let stick), .writing(let stick, _), .verified(let stick, _), .failed(let stick, _, _): stick
            }
        }
    }

    private struct Slot {
        var state = State.empty
        /// Whose slot it is; of a kit that is whole until another one takes it.
        var kit: Int?
        /// What it has yet to write of its kit, in order.
        var tasks: [KitStick] = []
    }

    private let kits: [Int]
    private var slots: [Slot]
    private var nextKit = 0
    /// Whose stick is written and read back, by kit.
    private var verified: [Set<NodeIndex>]
    /// Writing whose stick was pulled: its end is still to come.
    private var orphans: [Stick: KitStick] = [:]

    /// - Parameters:
    ///   - slots: at least one.
    ///   - kits: how many sticks each has, in their order.
    ///   - verified: those that were written before.
    public init(slots: Int, kits: [Int], verified: [Set<NodeIndex>]) {
        precondition(slots > 0 && kits.allSatisfy { $0 > 0 } && verified.count == kits.count)
        self.kits = kits
        self.slots = [Slot](repeating: Slot(), count: slots)
        self.verified = verified
        assign()
    }

    public func state(of slot: Int) -> State { slots[slot].state }

    /// What the next stick in a slot becomes; nil when nothing is to be written there now.
    public func task(of slot: Int) -> KitStick? { slots[slot].tasks.first }

    public func isWhole(kit: Int) -> Bool { verified[kit].count == kits[kit] }

    public var isFinished: Bool { kits.indices.allSatisfy(isWhole) }

    /// - Returns: what is to be done now, in this order.
    public mutating func heard(_ event: Event) -> [Action] {
        switch event {
        case .found(let slot, let stick):
            if slots[slot].state == .empty { slots[slot].state = .stale(stick) }
            return []
        case .arrived(let slot, let stick):
            if let old = slots[slot].state.stick {
                guard old != stick else { return [] }
                leave(slot)
            }
            slots[slot].state = .waiting(stick)
            return start(slot)
        case .left(let slot):
            leave(slot)
            return []
        case .ended(let slot, let stick, let verdict): return end(slot, stick, verdict)
        }
    }

    private mutating func leave(_ slot: Int) {
        if case .writing(let stick, let task) = slots[slot].state { orphans[stick] = task }
        slots[slot].state = .empty
    }

    private mutating func start(_ slot: Int) -> [Action] {
        // A stick that was pulled may have been verified in its last moment: what it is, is known when its writing has ended.
        guard case .waiting(let stick) = slots[slot].state, let task = slots[slot].tasks.first, !orphans.values.contains(task) else { return [] }
        slots[slot].state = .writing(stick, task)
        return [.write(slot: slot, stick, task)]
    }

    private mutating func end(_ slot: Int, _ stick: Stick, _ verdict: StickVerdict) -> [Action] {
        let task: KitStick
        if let orphan = orphans.removeValue(forKey: stick) {
            task = orphan
        } else if case .writing(stick, let current) = slots[slot].state {
            task = current
            slots[slot].state = verdict == .verified ? .verified(stick, task) : .failed(stick, task, verdict)
        } else {
            return []
        }
        guard verdict == .verified else { return start(slot) }
        verified[task.kit].insert(task.node)
        slots[slot].tasks.removeAll { $0 == task }
        guard isWhole(kit: task.kit) else { return start(slot) }
        assign()
        return [.whole(kit: task.kit)] + slots.indices.flatMap { start($0) } + (isFinished ? [.finished] : [])
    }

    /// Gives the slots that have nothing to do to the next kits.
    private mutating func assign() {
        while nextKit < kits.count {
            let own = min(kits[nextKit], slots.count)
            let free = slots.indices.filter { slots[$0].kit.map(isWhole) ?? true }
            guard free.count >= own else { return }
            for slot in free.prefix(own) { slots[slot].kit = nextKit }
            for node in NodeIndex.all(of: kits[nextKit]) where !verified[nextKit].contains(node) {
                slots[free[node.position % own]].tasks.append(KitStick(kit: nextKit, node: node))
            }
            nextKit += 1
        }
    }
}
