import Contract

/// One board: power, a kernel, a clock, and at most one `vsmpd`.
final class Board {
    let index: Int
    let plan: BoardPlan
    /// What its stick says.
    let place: NodeIndex
    var isPowered = false
    /// Counts power cycles.
    var power = 0
    var hasKernel = false
    /// The process, its threads standing still or the whole board.
    var node: SimulatedNode?
    var processes = 0
    private(set) var stoppedSince: Time = 0
    var isStopped = false
    var isFrozen = false
    /// What came meanwhile.
    var waiting: [World.Work] = []
    /// The largest packet of its port in bytes.
    var portSize: Int
    var firmware: Int
    /// Nobody starts it again.
    var isFinished = false
    var rejoins = 0

    init(_ index: Int, _ plan: BoardPlan, node: NodeIndex, mtu: Int) {
        self.index = index
        self.plan = plan
        place = node
        portSize = mtu
        firmware = plan.firmware
    }

    func stop(isFrozen: Bool, _ now: Time) {
        guard isPowered else { return }
        if !isStopped { stoppedSince = now }
        isStopped = true
        self.isFrozen = self.isFrozen || isFrozen
    }

    /// The kernel's monotonic clock.
    func clock(_ now: Time) -> Time { now + Time(index + 1) * 1_000_003 * 1_000 }

    /// The time-stamp counter.
    func counter(_ now: Time) -> UInt64 { UInt64(Double(now) * plan.kilohertz / 1e6) &+ UInt64(index + 1) << 40 }
}
