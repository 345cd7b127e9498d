internal import CGuestCheck

/// Both clocks as the holder of the token read them.
package struct ClockReading: Equatable, Sendable {
    package var turn: Int
    package var processor: Int
    package var tsc: UInt64
    package var nanoseconds: UInt64

    package init(turn: Int, processor: Int, tsc: UInt64, nanoseconds: UInt64) {
        self.turn = turn
        self.processor = processor
        self.tsc = tsc
        self.nanoseconds = nanoseconds
    }
}

extension Check {
    static let clock = Check(
        "clock", "RDTSC and CLOCK_MONOTONIC never go back across a handoff through all processors"
    ) { (topology, options) throws(CheckError) in
        let token = try SharedPages(1).word(0)
        let spread = topology.spread
        let logs = try Crew.run(on: spread, seconds: options.seconds) { index, crew in
            var log: [ClockReading] = []
            log.reserveCapacity(4096)
            for turn in stride(from: index, to: 4096 * spread.count, by: spread.count) {
                guard token.wait(atLeast: UInt64(turn), unless: crew.stop, spins: 50_000) else { break }
                let tsc = gc_tsc()
                let nanoseconds = monotonicNanoseconds()
                token.store(UInt64(turn) + 1)
                log.append(ClockReading(turn: turn, processor: spread[index], tsc: tsc, nanoseconds: nanoseconds))
            }
            return log
        }
        return judgeClock(logs.flatMap { $0 }.sorted { $0.turn < $1.turn })
    }

    /// `readings` in the order of their turns.
    package static func judgeClock(_ readings: [ClockReading]) -> Verdict {
        guard readings.count > 1 else { return .fail("no handoff took place") }
        var shortest = UInt64.max
        for (old, new) in zip(readings, readings.dropFirst()) {
            guard new.turn == old.turn + 1 else { return .fail("turn \(old.turn + 1) is missing") }
            let handoff = "from processor \(old.processor) to \(new.processor) in turn \(new.turn)"
            if new.tsc < old.tsc { return .fail("TSC went back by \(old.tsc - new.tsc) ticks \(handoff)") }
            if new.nanoseconds < old.nanoseconds {
                return .fail("CLOCK_MONOTONIC went back by \(old.nanoseconds - new.nanoseconds) ns \(handoff)")
            }
            shortest = min(shortest, new.nanoseconds - old.nanoseconds)
        }
        return .ok("\(readings.count - 1) handoffs, shortest \(shortest) ns")
    }
}
