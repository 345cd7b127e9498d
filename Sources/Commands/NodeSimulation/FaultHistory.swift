/// What was done to boards and cables, as the judge sees it.
struct FaultHistory {
    /// One direction between two boards carried nothing.
    struct Silence {
        enum Cause: Equatable {
            case link
            /// Streams only; heartbeats pass.
            case filter
            case cable(Int)
            /// The process or the whole board stood still.
            case stop(Int, isFrozen: Bool)
        }

        let cause: Cause
        let from: Int
        let to: Int
        let times: Range<Time>

        /// The board that nobody hears and that hears nobody.
        var board: Int? {
            switch cause {
            case .link, .filter: nil
            case .cable(let board), .stop(let board, _): board
            }
        }
    }

    private let scenario: Scenario
    private let silences: [Silence]
    /// There is one fault of cables and boards at most: then who is to blame is known.
    let isStrict: Bool
    /// Somebody plays recorded beacons.
    let isReplayed: Bool
    /// Somebody has gone for good, or two boards have one stick.
    let isNeverWhole: Bool
    /// What several faults at a time may add to the time of a decision.
    let slack: Time

    init(_ scenario: Scenario) {
        self.scenario = scenario
        let outage = scenario.outage
        let serious = scenario.faults.filter { $0.isSerious(outage: outage) }
        var silences: [Silence] = []
        let all = 0..<scenario.boardCount
        func down(_ board: Int, _ cause: Silence.Cause, _ times: Range<Time>) {
            for other in all where other != board {
                silences += [Silence(cause: cause, from: board, to: other, times: times), Silence(cause: cause, from: other, to: board, times: times)]
            }
        }
        for fault in scenario.faults {
            switch fault {
            case .cut(let from, let to, let isPair, let times):
                silences.append(Silence(cause: .link, from: from, to: to, times: times))
                if isPair { silences.append(Silence(cause: .link, from: to, to: from, times: times)) }
            case .filter(let a, let b, let times):
                silences += [Silence(cause: .filter, from: a, to: b, times: times), Silence(cause: .filter, from: b, to: a, times: times)]
            case .cable(let board, let times): down(board, .cable(board), times)
            case .flaps(let board, let all): for times in all { down(board, .cable(board), times) }
            case .stop(let board, let all, let isFrozen): for times in all { down(board, .stop(board, isFrozen: isFrozen), times) }
            case .switchOff(let times): for board in all { down(board, .cable(board), times) }
            case .powerCut, .kill, .rival, .replay: break
            }
        }
        self.silences = silences
        let others = scenario.faults.count { !$0.isSerious(outage: outage) && $0.isSilence }
        isStrict = serious.count + others <= 1
        slack = scenario.faults.count(where: \.isSilence) > 1 ? outage + 3 * .second : scenario.faults.count > 1 ? 2 * .second : 500 * .millisecond
        isReplayed = scenario.faults.contains { if case .replay = $0 { true } else { false } }
        isNeverWhole = scenario.rival != nil || scenario.faults.contains { fault in
            switch fault {
            case .powerCut(_, _, let off), .kill(_, _, let off): off == nil
            default: false
            }
        }
    }

    /// What the silences of some kind add up to, one directly behind the other: the longest time of them within the span.
    private func longest(since begin: Time, until end: Time, _ isMeant: (Silence) -> Bool) -> Time {
        var longest: Time = 0
        var current: Range<Time>?
        for silence in silences.filter(isMeant).map(\.times).sorted(by: { $0.lowerBound < $1.lowerBound }) {
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

    /// Since when `to` has heard nothing of `from`; nil: it has heard it a moment ago.
    func silentSince(_ from: Int, _ to: Int, at now: Time) -> Time? {
        var since = now
        for silence in silences.sorted(by: { $0.times.upperBound > $1.times.upperBound })
        where (silence.from, silence.to) == (from, to) && silence.cause != .filter && silence.times.lowerBound < since && silence.times.upperBound + 400 * .millisecond > since {
            since = silence.times.lowerBound
        }
        return since < now ? since : nil
    }

    private func isLong(_ time: Time) -> Bool { time > scenario.outage - 300 * .millisecond }

    /// The board itself heard nobody, or did not run, for longer than the budget.
    func isDeaf(_ board: Int, since begin: Time, until end: Time) -> Bool {
        isLong(longest(since: begin, until: end) { $0.board == board })
    }

    /// The board was deaf for about as long as the budget: while one node decides, another hears it again, and it lives.
    func isAtTheEdge(_ board: Int, since begin: Time, until end: Time) -> Bool {
        let time = longest(since: begin, until: end) { $0.board == board }
        return isLong(time) && time < scenario.outage + 1500 * .millisecond
    }

    /// The link between two boards, in one direction at least, carried nothing, or no stream, for longer than the budget.
    func isCut(_ a: Int, _ b: Int, since begin: Time, until end: Time) -> Bool {
        [(a, b), (b, a)].contains { from, to in
            [Silence.Cause.link, .filter].contains { cause in isLong(longest(since: begin, until: end) { $0.cause == cause && ($0.from, $0.to) == (from, to) }) }
        } || scenario.nodes == 2 && (isDeaf(a, since: begin, until: end) || isDeaf(b, since: begin, until: end))
    }

    /// `to` heard nothing of `from` for longer than the budget, whatever the reasons were.
    func isSilent(_ from: Int, to: Int, since begin: Time, until end: Time) -> Bool { isLong(longest(since: begin, until: end) { ($0.from, $0.to) == (from, to) }) }

    /// One heard nothing of the other for longer than the budget, whatever the reasons were.
    func isLinkSilent(_ a: Int, _ b: Int, since begin: Time, until end: Time) -> Bool {
        isSilent(a, to: b, since: begin, until: end) || isSilent(b, to: a, since: begin, until: end)
    }

    /// Something that is longer than the budget was done to the board or to a link of it.
    func isTouched(_ board: Int, since begin: Time, until end: Time) -> Bool {
        isDeaf(board, since: begin, until: end) || isLong(longest(since: begin, until: end) { $0.from == board || $0.to == board })
    }

    /// Something that may have lost or held back words was done to the link.
    func isDisturbed(_ a: Int, _ b: Int, since begin: Time, until end: Time) -> Bool {
        silences.contains { [a, b].contains($0.from) && [a, b].contains($0.to) && $0.times.lowerBound < end && $0.times.upperBound > begin }
    }

    /// The cables have carried nothing of `board` to `listener`, or no stream between them, for so long.
    func isUnheard(_ board: Int, by listener: Int, for time: Time, at now: Time, since begin: Time) -> Bool {
        silences.contains {
            // A stream is over after a second and a half, and is tried for 3 s longer than heartbeats.
            let limit = $0.cause == .filter ? time + 5 * .second : time
            if case .stop = $0.cause { return false }
            return $0.from == board && $0.to == listener && $0.times.contains(now) && max($0.times.lowerBound, begin) + limit < now
        }
    }
}

extension Fault {
    /// Frames of somebody do not come for a while.
    var isSilence: Bool {
        switch self {
        case .cut, .filter, .cable, .flaps, .switchOff, .stop: true
        case .powerCut, .kill, .rival, .replay: false
        }
    }
}

extension Scenario {
    /// A board has a counter of another speed.
    var hasOddCounter: Bool { boards.contains { abs($0.kilohertz - 2_500_000) > 0.01 * 2_500_000 } }
}
