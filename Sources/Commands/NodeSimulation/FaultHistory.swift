/// What was done to boards and cables, as the judge sees it.
struct FaultHistory {
    private let scenario: Scenario
    private let serious: [Fault]
    /// When each board stood still, and each link carried nothing.
    private let silences: [(board: Int?, from: Int, to: Int, times: Range<Time>, isStop: Bool)]
    /// There is one fault of cables and boards at most: then who is to blame is known.
    let isStrict: Bool
    /// Somebody has gone for good, or two boards have one stick.
    let isNeverWhole: Bool
    /// What several faults at a time may add to the time of a decision.
    let slack: Time

    init(_ scenario: Scenario) {
        self.scenario = scenario
        let outage = scenario.outage
        serious = scenario.faults.filter { $0.isSerious(outage: outage) }
        var silences: [(board: Int?, from: Int, to: Int, times: Range<Time>, isStop: Bool)] = []
        let all = 0..<scenario.boardCount
        func down(_ board: Int, _ times: Range<Time>, isStop: Bool = false) {
            for other in all where other != board { silences += [(board, board, other, times, isStop), (board, other, board, times, isStop)] }
        }
        for fault in scenario.faults {
            switch fault {
            case .cut(let from, let to, let isPair, let times):
                silences.append((nil, from, to, times, false))
                if isPair { silences.append((nil, to, from, times, false)) }
            case .cable(let board, let times): down(board, times)
            case .flaps(let board, let all): for times in all { down(board, times) }
            case .stop(let board, let all, _): for times in all { down(board, times, isStop: true) }
            case .switchOff(let times): for board in all { down(board, times) }
            case .powerCut, .kill, .rival, .replay: break
            }
        }
        self.silences = silences
        let others = scenario.faults.count { !$0.isSerious(outage: outage) && $0.isSilence }
        isStrict = serious.count + others <= 1
        slack = scenario.faults.count(where: \.isSilence) > 1 ? outage + 3 * .second : scenario.faults.count > 1 ? 2 * .second : 500 * .millisecond
        isNeverWhole = scenario.rival != nil || scenario.faults.contains { fault in
            switch fault {
            case .powerCut(_, _, let off), .kill(_, _, let off): off == nil
            default: false
            }
        }
    }

    /// What the silences of some kind add up to, one directly behind the other: the longest time of them within the span.
    private func longest(since begin: Time, until end: Time, _ isMeant: (Int?, Int, Int) -> Bool) -> Time {
        var longest: Time = 0
        var current: Range<Time>?
        for silence in silences.filter({ isMeant($0.board, $0.from, $0.to) }).map(\.times).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard silence.lowerBound < end, silence.upperBound + scenario.outage + 6 * .second > begin else { continue }
            if let last = current, silence.lowerBound <= last.upperBound + 400 * .millisecond {
                current = last.lowerBound..<max(last.upperBound, silence.upperBound)
            } else {
                current = silence
            }
            if let current { longest = max(longest, min(current.upperBound, end) - current.lowerBound) }
        }
        return longest
    }

    private func isLong(_ time: Time) -> Bool { time > scenario.outage - 300 * .millisecond }

    /// The board itself heard nobody, or did not run, for longer than the budget.
    func isDeaf(_ board: Int, since begin: Time, until end: Time) -> Bool {
        isLong(longest(since: begin, until: end) { cause, _, _ in cause == board })
    }

    /// Its process stood still, and its kernel took what the others said: it can learn what they have decided, and accuses nobody.
    func wasOnlyStopped(_ board: Int) -> Bool {
        serious.allSatisfy { if case .stop(board, _, isFrozen: false) = $0 { true } else { false } }
    }

    /// The link between two boards, in one direction at least, carried nothing for longer than the budget.
    func isCut(_ a: Int, _ b: Int, since begin: Time, until end: Time) -> Bool {
        isLong(longest(since: begin, until: end) { cause, from, to in cause == nil && (from, to) == (a, b) })
            || isLong(longest(since: begin, until: end) { cause, from, to in cause == nil && (from, to) == (b, a) })
            || scenario.nodes == 2 && (isDeaf(a, since: begin, until: end) || isDeaf(b, since: begin, until: end))
    }

    /// Something that is longer than the budget was done to the board or to a link of it.
    func isTouched(_ board: Int, since begin: Time, until end: Time) -> Bool {
        isDeaf(board, since: begin, until: end) || isLong(longest(since: begin, until: end) { _, from, to in from == board || to == board })
    }

    /// The cables have carried nothing of `board` to `listener` for so long.
    func isUnheard(_ board: Int, by listener: Int, for time: Time, at now: Time, since begin: Time) -> Bool {
        silences.contains { !$0.isStop && $0.from == board && $0.to == listener && $0.times.contains(now) && max($0.times.lowerBound, begin) + time < now }
    }
}

extension Fault {
    /// Frames of somebody do not come for a while.
    var isSilence: Bool {
        switch self {
        case .cut, .cable, .flaps, .switchOff, .stop: true
        case .powerCut, .kill, .rival, .replay: false
        }
    }
}

extension Scenario {
    /// A board has a counter of another speed.
    var hasOddCounter: Bool { boards.contains { abs($0.kilohertz - 2_500_000) > 0.01 * 2_500_000 } }
}
