package import ArgumentParser
import CommandParsing
internal import Contract
import Platform
import Synchronization

/// `vsmp-node-simulation`: many runs, each from one seed.
package struct NodeSimulationCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "vsmp-node-simulation",
            abstract: "Run whole nodes in virtual time, with faults of boards and cables drawn from a seed (docs/node-simulation.md).",
            discussion: """
                Each seed is one run of 2 to 16 nodes: power cuts, restarts, cut and flapping cables, switches that drop large packets, two boards with \
                one stick, slow and stopped nodes, clocks that differ. The status is 1 when a promise is broken; what happened, and the command that \
                repeats it, are printed. One seed is always the same run.
                """,
            version: "vsmp-node-simulation \(SDKVersion.text)")
    }

    @Option(in: 0...UInt64.max, help: "The first seed.")
    var first: UInt64 = 1

    @Option(in: 1...UInt64(1) << 40, unit: "runs", help: "Runs; their seeds count up from the first.")
    var seeds: UInt64 = 1000

    @Option(in: 1...64, unit: "threads", help: "Threads that share the runs.")
    var threads = 2

    @Option(in: 1...1000, unit: "findings", help: "Stop after so many findings.")
    var findings = 1

    @Flag(help: "Print everything that happens: for one seed.")
    var trace = false

    package init() {}

    package mutating func validate() throws {
        if trace, seeds != 1 { throw ValidationError("--trace prints one run: give --seeds 1") }
    }

    package func run() throws {
        let clock = ContinuousClock()
        let begin = clock.now
        let found = trace ? traced() : search { NodeSimulation.run(seed: $0) }
        for finding in found {
            StandardOutput.print("BROKEN: \(finding.promise.rawValue): after \(finding.milliseconds) ms \(finding.what)")
            StandardOutput.print(finding.story)
            StandardOutput.print("again: vsmp-node-simulation --first \(finding.seed) --seeds 1 --trace")
        }
        let seconds = Int((clock.now - begin).components.seconds)
        guard found.isEmpty else { throw ExitCode(1) }
        StandardOutput.print("\(seeds) seeds from \(first) in \(seconds) s, no promise broken")
    }

    private func traced() -> [Finding] { NodeSimulation.run(seed: first) { StandardOutput.print($0) }.map { [$0] } ?? [] }

    /// Runs of all seeds, until enough is found.
    func search(_ run: @escaping @Sendable (UInt64) -> Finding?) -> [Finding] {
        let next = Atomic<UInt64>(0)
        let found = Mutex<[Finding]>([])
        let threads = (0..<min(threads, Int(clamping: seeds))).map { number in
            SystemThread("simulation-\(number)") { [first, seeds, findings] in
                while found.withLock({ $0.count }) < findings {
                    let index = next.add(1, ordering: .relaxed).oldValue
                    guard index < seeds else { return }
                    if let finding = run(first &+ index) { found.withLock { $0.append(finding) } }
                }
            }
        }
        for thread in threads { thread.join() }
        return found.withLock { $0.sorted { $0.seed < $1.seed } }
    }
}
