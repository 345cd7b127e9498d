/// What one thread did to the shared counters.
package struct CounterTally: Equatable, Sendable {
    package var rounds: UInt64
    /// Nobody else writes this word, which lies on the page that everybody writes.
    package var ownWord: UInt64
    /// What was seen in an order that cannot be: the first time.
    package var disorder: String?

    package init(rounds: UInt64, ownWord: UInt64, disorder: String? = nil) {
        self.rounds = rounds
        self.ownWord = ownWord
        self.disorder = disorder
    }

    mutating func note(_ what: @autoclosure () -> String) {
        if disorder == nil { disorder = "in round \(rounds): \(what())" }
    }
}

extension Check {
    static let atomicAdd = Check(
        "atomic-add", "LOCK XADD, CMPXCHG and ADD from all processors on one page: exact"
    ) { (topology, options) throws(CheckError) in
        let pages = try SharedPages(1)
        let processors = Array(topology.spread.prefix(448))
        let tallies = try Crew.run(on: processors, seconds: options.seconds) { index, crew in
            let own = pages.word(0, 64 + index)
            var tally = CounterTally(rounds: 0, ownWord: 0)
            var previous: UInt64?
            var random = Randomness(seed: index)
            while !crew.stopped {
                for _ in 0...random.next(below: 16) {
                    let seen = pages.word(0, 0).fetchAdd(1)
                    if let previous, seen <= previous { tally.note("LOCK XADD gave \(seen) after \(previous)") }
                    previous = seen
                    pages.word(0, 1).compareExchangeIncrement()
                    pages.word(0, 8).lockAdd(1)
                    own.plainIncrement()
                    tally.rounds += 1
                }
                random.pause(below: 2000)
            }
            tally.ownWord = own.load()
            return tally
        }
        return judgeCounters([0, 1, 8].map { pages.word(0, $0).load() }, tallies)
    }

    static let mutexCounter = Check(
        "mutex-counter", "a plain counter under a pthread mutex (futex), from all processors: exact"
    ) { (topology, options) throws(CheckError) in
        let mutex = try SharedMutex()
        let pages = try SharedPages(2)
        let (first, second) = (pages.word(0), pages.word(1))
        let tallies = try Crew.run(on: topology.spread, seconds: options.seconds) { index, crew in
            var tally = CounterTally(rounds: 0, ownWord: 0)
            var random = Randomness(seed: index)
            while !crew.stopped {
                for _ in 0...random.next(below: 4) {
                    mutex.withLock {
                        let value = first.load()
                        let other = second.load()
                        if other != value {
                            tally.note("the words held \(value) and \(other), then \(first.load()) and \(second.load())")
                        }
                        first.store(value + 1)
                        second.store(value + 1)
                    }
                    tally.rounds += 1
                }
                random.pause(below: 2000)
            }
            tally.ownWord = tally.rounds
            return tally
        }
        return judgeCounters([first.load(), second.load()], tallies)
    }

    /// Every total is the sum of the rounds, no thread found its own word or the order wrong, and each took part.
    package static func judgeCounters(_ totals: [UInt64], _ tallies: [CounterTally]) -> Verdict {
        let expected = tallies.reduce(0) { $0 + $1.rounds }
        for total in totals where total != expected {
            return .fail("counter is \(total), the threads counted \(expected)")
        }
        for (index, tally) in tallies.enumerated() {
            if tally.ownWord != tally.rounds {
                return .fail("thread \(index) counted \(tally.rounds) in its own word, which holds \(tally.ownWord)")
            }
            if let disorder = tally.disorder { return .fail("thread \(index) saw a counter out of order, \(disorder)") }
            if tally.rounds == 0 { return .fail("thread \(index) never had a turn") }
        }
        let least = tallies.map(\.rounds).min() ?? 0
        return .ok("\(expected) rounds by \(tallies.count) threads, at least \(least) each")
    }
}
