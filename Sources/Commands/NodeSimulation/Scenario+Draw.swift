import CoherenceSimulation

/// What the seeds choose from.
extension Scenario {
    init(seed: UInt64) {
        // Mixed once, or the numbers of one seed would be the next seed's, one later.
        var mixer = SplitMix64(state: seed)
        var random = SplitMix64(state: mixer.next())
        self.init(seed: seed, random: &random)
    }

    private init(seed: UInt64, random: inout SplitMix64) {
        // Small machines mostly: they find most, and cost least.
        let sizes = [2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7]
        let nodes = random.below(24) == 0 ? 8 + random.below(9) : sizes[random.below(sizes.count)]
        self.seed = seed
        self.nodes = nodes
        outageSeconds = [1, 2, 2, 3, 3, 5][random.below(6)]
        latency = random.below(8) == 0 ? 3_000_000 : [30_000, 100_000, 500_000][random.below(3)]
        jitter = [20_000, 200_000, 2_000_000][random.below(3)]
        loss = [0, 0, 5, 20][random.below(4)]
        resets = random.below(4) == 0
        boards = (0..<nodes).map { _ in BoardPlan(power: random.time(below: 2 * .second), boot: 200 * .millisecond + random.time(below: .second)) }
        // Somebody comes late: the others wait for it while things happen to them.
        if random.below(4) == 0 { boards[random.below(nodes)].power += 2 * .second + random.time(below: 10 * .second) }
        drawClocks(&random)
        if random.below(4) == 0 {
            mtu = 9000
            if random.below(2) == 0 { carries = [1500, 4352, 8192][random.below(3)] }
        }
        if random.below(6) == 0 { for board in boards.indices { boards[board].firmware = random.below(2) } }
        if random.below(8) == 0 { boards[random.below(nodes)].slowness = 3 * .second }
        switch random.below(20) {
        case 0...1: break
        case 2...13: drawFault(&random)
        case 14...17: for _ in 0..<2 { drawFault(&random) }
        default: for _ in 0..<3 { drawFault(&random) }
        }
        quiet = max(8 * .second, (faults.map(\.end).max() ?? 0) + outage + 3 * .second, (boards.map(\.power).max() ?? 0) + 4 * .second)
    }

    private mutating func drawClocks(_ random: inout SplitMix64) {
        for board in boards.indices { boards[board].kilohertz *= 1 + (Double(random.below(201)) - 100) * 1e-6 }
        // One kernel in three nodes or more guessed wrong, or one crystal is of another model.
        switch random.below(12) {
        case 0 where nodes > 2: boards[random.below(nodes)].kernelKilohertz = [233_000, 2_596_000, 1_250_000][random.below(3)]
        case 1: boards[random.below(nodes)].kilohertz *= 1.2
        default: break
        }
    }

    /// When a fault begins: at any time, while the nodes join, or where another one is noticed or decided.
    private func moment(_ random: inout SplitMix64) -> Time {
        guard let other = faults.last, random.below(2) == 0 else {
            return 500 * .millisecond + random.time(below: random.below(2) == 0 ? 5 * .second : 12 * .second)
        }
        let near = [other.begin, other.end, other.begin + outage][random.below(3)]
        let spread: Time = [150 * .millisecond, 1300 * .millisecond][random.below(2)]
        return max(near + random.time(below: 2 * spread), spread + 100 * .millisecond) - spread
    }

    /// Clearly below the budget, just above it, or clearly.
    private func duration(_ random: inout SplitMix64) -> Time {
        switch random.below(5) {
        case 0...1: 50 * .millisecond + random.time(below: outage - 700 * .millisecond)
        case 2: outage + random.time(below: 1500 * .millisecond)
        default: outage + .second + random.time(below: 8 * .second)
        }
    }

    /// Outages or stops one after the other, each within the budget.
    private func series(from begin: Time, pause: Range<Time>, longest: Time, _ random: inout SplitMix64) -> [Range<Time>] {
        var times: [Range<Time>] = []
        var begin = begin
        for _ in 0..<(2 + random.below(5)) {
            let length = 50 * .millisecond + random.time(below: min(outage - 700 * .millisecond, longest))
            times.append(begin..<begin + length)
            begin += length + pause.lowerBound + random.time(below: pause.upperBound - pause.lowerBound)
        }
        return times
    }

    private mutating func drawFault(_ random: inout SplitMix64) {
        let board = random.below(nodes)
        let other = (board + 1 + random.below(nodes - 1)) % nodes
        let at = moment(&random)
        switch random.below(18) {
        case 0...2:
            faults.append(.powerCut(board: board, at: at, off: random.below(3) == 0 ? nil : 100 * .millisecond + random.time(below: 6 * .second)))
            // Two boards of one rack.
            if nodes > 3, random.below(3) == 0 { faults.append(.powerCut(board: other, at: at + (random.below(2) == 0 ? 0 : random.time(below: 120 * .millisecond)), off: 6 * .second)) }
        case 3...4: faults.append(.kill(board: board, at: at, off: random.below(3) == 0 ? nil : random.time(below: 4 * .second)))
        case 5...7: faults.append(.cut(from: board, to: other, isPair: random.below(2) == 0, at..<at + duration(&random)))
        case 8...9: faults.append(.cable(board: board, at..<at + duration(&random)))
        case 10: faults.append(.flaps(board: board, series(from: at, pause: 400 * .millisecond..<1400 * .millisecond, longest: 2 * .second, &random)))
        case 11: faults.append(.switchOff(at..<at + duration(&random)))
        case 12: faults.append(.stop(board: board, [at..<at + duration(&random)], isFrozen: true))
        case 13: faults.append(.stop(board: board, [at..<at + duration(&random)], isFrozen: false))
        case 14: faults.append(.stop(board: board, series(from: at, pause: 40 * .millisecond..<160 * .millisecond, longest: 1350 * .millisecond, &random), isFrozen: false))
        case 15: faults.append(.filter(a: board, b: other, at..<at + (random.below(2) == 0 ? duration(&random) : outage + 10 * .second)))
        case 16:
            if boards.count == nodes { boards.append(BoardPlan(boot: 200 * .millisecond)) }
            faults.append(.rival(node: board, at: at))
        default:
            // The recording is played when one of its senders starts anew.
            faults.append(.powerCut(board: board, at: at, off: [300 * .millisecond, 9 * .second][random.below(2)]))
            faults.append(.replay(at: at + 100 * .millisecond, rounds: [12, 300][random.below(2)]))
        }
    }
}

extension SplitMix64 {
    mutating func time(below limit: Time) -> Time { next() % Swift.max(limit, 1) }
}
