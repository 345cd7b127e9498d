import Interconnect
import Node

/// A node's exchanges of time stamps with node 0 before the machine runs, as `ClockRoom` makes them, but with pauses between them: fewer events.
struct ClockExchange {
    enum Goal { case measure, align }

    enum Step {
        case ask(UInt64)
        case done(CounterReading)
        case failed
    }

    private(set) var goal = Goal.measure
    private var relation = CounterRelation()
    private var began: Time = 0
    /// Since when it answers.
    private var answered: Time?
    private var rounds = 0
    private var pings: [UInt64] = []
    /// Good enough to tell one frequency from two.
    private static let largestBound = 1e-3

    var pause: Time { (goal == .measure ? 40 : 20) * .millisecond }

    mutating func begin(_ goal: Goal, _ now: Time) {
        self.goal = goal
        began = now
        answered = nil
        rounds = 0
    }

    mutating func ping(_ counter: UInt64) -> UInt64 {
        if pings.count == 64 { pings.removeFirst() }
        pings.append(counter)
        return counter
    }

    mutating func take(sent: UInt64, received: UInt64, answered: UInt64, at counter: UInt64) {
        guard let index = pings.firstIndex(of: sent) else { return }
        pings.remove(at: index)
        relation.add(t0: sent, t1: received, t2: answered, t3: counter)
        rounds += 1
    }

    mutating func next(_ now: Time, counter: UInt64, outage: Time) -> Step {
        let limit: Time = goal == .measure ? 2 * .second : 3 * .second
        guard let estimate = relation.estimate(at: counter) else {
            return now - began < max(limit, outage) ? .ask(ping(counter)) : .failed
        }
        let since = answered ?? now
        answered = since
        let isGood = goal == .measure ? estimate.gainBound < Self.largestBound : rounds >= 8
        guard isGood || now - since >= limit else { return .ask(ping(counter)) }
        let low = min(max(estimate.gain.lowerBound, -1), 1024)
        let high = min(max(estimate.gain.upperBound, low), 1024)
        return .done(CounterReading(ratio: 1 + (low + high) / 2, bound: (high - low) / 2))
    }
}
