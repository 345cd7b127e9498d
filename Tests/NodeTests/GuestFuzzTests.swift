import Contract
import Foundation
import Platform
import TestSupport
import Testing

@testable import Node

/// Hostile guests on both nodes of a machine: no crash, no hang, no reply missing. `VSMP_FUZZ_SECONDS` says how long, `VSMP_FUZZ_SEED` where to begin.
@Suite(
    .serialized, .enabled(if: hasKVM, needsKVM),
    .enabled(if: ProcessInfo.processInfo.environment["VSMP_FUZZ_SECONDS"] != nil, "runs hostile guests: set VSMP_FUZZ_SECONDS=30"), .timeLimit(.minutes(20)))
struct GuestFuzzTests {
    @Test func noGuestBreaksItsNodes() throws {
        let environment = ProcessInfo.processInfo.environment
        let end = monotonicNow() + (environment["VSMP_FUZZ_SECONDS"].flatMap { UInt64($0) } ?? 0) * 1_000_000_000
        var seed = environment["VSMP_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
        repeat {
            var machine = LoopbackMachine()
            machine.patience = 60_000_000_000
            let outcome = try machine.run(FuzzGuest.guest(seed: seed, rounds: 10))
            for (node, result) in outcome.ends.enumerated() {
                guard case .success(.poweredOff)? = result else {
                    Issue.record("seed \(seed), node \(node): \(result.map { "\($0)" } ?? "no end"); \(outcome.logs[node].all.suffix(6))")
                    return
                }
            }
            seed += 1
        } while monotonicNow() < end
        print("guest fuzzing: seeds to \(seed - 1)")
    }
}
