internal import CGuestCheck

/// Children that one thread started and how they ended.
package struct ChildTally: Equatable, Sendable {
    package var started = 0
    /// Expected and found status of the children that ended otherwise.
    package var wrong: [[Int32]] = []

    package init(started: Int = 0, wrong: [[Int32]] = []) {
        self.started = started
        self.wrong = wrong
    }
}

extension Check {
    static let forkExec = Check(
        "fork-exec", "every processor forks and executes, half of the children on another node: exit codes exact"
    ) { (topology, options) throws(CheckError) in
        let spread = topology.spread
        let tallies = try Crew.run(on: spread, seconds: options.seconds) { index, crew in
            var tally = ChildTally()
            // At least one child at home and one away, however slow the machine is.
            while tally.started < 200, !crew.stopped || tally.started < 2 {
                let status = Int32((index * 7 + tally.started) % 64)
                let place = tally.started % 2 == 0 ? spread[index] : spread[(index + 1) % spread.count]
                let pid = gc_fork_exec(status, Int32(place))
                tally.started += 1
                let found = pid < 0 ? pid : gc_reap(pid)
                if found != status { tally.wrong.append([status, found]) }
            }
            return tally
        }
        return judgeChildren(tallies)
    }

    package static func judgeChildren(_ tallies: [ChildTally]) -> Verdict {
        let wrong = tallies.flatMap(\.wrong)
        let started = tallies.reduce(0) { $0 + $1.started }
        if let first = wrong.first {
            return .fail("\(wrong.count) of \(started) children ended wrongly, e.g. \(first[1]) instead of \(first[0])")
        }
        if tallies.contains(where: { $0.started == 0 }) { return .fail("a processor started no child") }
        return .ok("\(started) children of \(tallies.count) threads")
    }
}
