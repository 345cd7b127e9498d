internal import CGuestCheck
internal import Glibc

/// One thread's part of a futex ping-pong, or of a migration round.
package struct WakeupTally: Equatable, Sendable {
    package var rounds: UInt64 = 0
    package var problem: String?

    package init(rounds: UInt64 = 0, problem: String? = nil) {
        self.rounds = rounds
        self.problem = problem
    }
}

/// A word on which threads sleep (its low half, which comes first on x86).
private struct FutexWord {
    let word: SharedWord

    /// Sleeps while the low half is `value`, at most 10 s. False when the time passed without a wake-up.
    func sleep(while value: UInt64) -> Bool {
        unsafe gc_futex_wait(word.address, UInt32(truncatingIfNeeded: value), 10_000) != ETIMEDOUT
    }

    func wake() { unsafe _ = gc_futex_wake(word.address, 1) }
}

extension Check {
    static let wakeup = Check(
        "wakeup", "futex ping-pong between processors of different nodes: no wake-up is lost"
    ) { (topology, options) throws(CheckError) in
        let pairs = topology.pairs
        var tallies: [WakeupTally] = []
        for pair in pairs {
            let pages = try SharedPages(1)
            let futex = FutexWord(word: pages.word(0))
            let last = pages.word(0, 8)
            tallies += try Crew.run(on: [pair.0, pair.1], seconds: options.seconds / Double(pairs.count)) { side, crew in
                var tally = WakeupTally()
                while last.load() == 0 {
                    let value = futex.word.load()
                    if value % 2 == UInt64(side) {
                        if crew.stopped { last.store(1) }
                        futex.word.store(value + 1)
                        futex.wake()
                        tally.rounds += 1
                    } else if !futex.sleep(while: value), last.load() == 0 {
                        let lost = futex.word.load() != value
                        tally.problem =
                            lost ? "a wake-up was lost in round \(value)" : "the partner was silent for 10 s"
                        last.store(1)
                    }
                }
                return tally
            }
        }
        return judgeWakeups(tallies, unit: "rounds")
    }

    static let migration = Check(
        "migration", "sched_setaffinity takes a thread through all processors; registers and memory stay"
    ) { (topology, options) throws(CheckError) in
        let spread = topology.spread
        let tallies = try Crew.run(on: [spread[0]], seconds: options.seconds / 2) { _, crew in
            var tally = WakeupTally()
            var trail: [Int] = []
            repeat {
                for processor in spread {
                    let code = gc_migrate_keeping_registers(Int32(processor), tally.rounds + 1)
                    let place = whereAmI()
                    trail.append(processor)
                    tally.rounds += 1
                    if code == -1 { tally.problem = "a register changed on the way to processor \(processor)" }
                    if code > 0 { tally.problem = "sched_setaffinity to \(processor): errno \(code)" }
                    if place?.processor != processor {
                        tally.problem = "asked for processor \(processor), runs on \(place?.processor ?? -1)"
                    }
                    if tally.problem != nil { return tally }
                }
            } while !crew.stopped && trail.count < 10_000
            let kept = trail.indices.allSatisfy { trail[$0] == spread[$0 % spread.count] }
            if !kept || trail.count != tally.rounds { tally.problem = "the thread's memory changed on the way" }
            return tally
        }
        return judgeWakeups(tallies, unit: "moves")
    }

    package static func judgeWakeups(_ tallies: [WakeupTally], unit: String) -> Verdict {
        if let problem = tallies.compactMap(\.problem).first { return .fail(problem) }
        let rounds = tallies.reduce(0) { $0 + $1.rounds }
        if tallies.contains(where: { $0.rounds == 0 }) { return .fail("no \(unit)") }
        return .ok("\(rounds) \(unit)")
    }
}
