import ArgumentParser
import CommandParsing
import Coherence
import CoherenceSimulation

struct SoakCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "soak",
            abstract: "Run the engine on random machines in virtual time until time is over (docs/coherence.md).",
            discussion: """
                Each line is one machine: its nodes, pages, cache, policies, a network that loses, duplicates and reorders \
                packets below reliable channels, slow nodes and a node's death, all drawn from one seed. Every second machine's \
                nodes also go over to other policies while they run. The status is 1 when a promise is broken, and the command \
                that repeats it is printed.
                """)
    }

    @Option(help: "Minutes to run. (default: 10, with --seed one machine)")
    var minutes: Double?

    @Option(in: 0...UInt64.max, help: "Seed of the first machine; the next ones count up. (default: random)")
    var seed: UInt64?

    @Option(in: 2...NodeID.limit, help: "Nodes of every machine. (default: drawn from the seed)")
    var nodes: Int?

    @Option(in: 1...1_000_000_000, unit: "instructions", help: "Instructions of every machine's processors together. (default: drawn from the seed)")
    var instructions: Int?

    @Flag(help: "Let more than 16 nodes contend for six pages at once, which makes too little progress (docs/coherence.md).")
    var contended = false

    @Flag(help: "Let the nodes of every machine go over to other policies while they run, not of every second one.")
    var switchPolicies = false

    mutating func validate() throws {
        if let minutes, !(minutes >= 0) { throw ValidationError("--minutes \(minutes): give 0 or more") }
    }

    func run() throws {
        let clock = ContinuousClock()
        let begin = clock.now
        let time = (minutes ?? (seed == nil ? 10 : 0)) * 60
        var next = seed ?? UInt64.random(in: 1...UInt64(UInt32.max))
        var count = 0
        repeat {
            let switches = switchPolicies || count % 2 == 1
            let scenario = SoakScenario(
                seed: next, nodes: nodes, instructions: instructions, isContended: contended, switchesPolicies: switches)
            printNow("seed \(next): \(scenario): ", end: "")
            do {
                printNow(try scenario.run())
            } catch {
                printNow("BROKEN: \(error)")
                let own = [
                    nodes.map { " --nodes \($0)" }, instructions.map { " --instructions \($0)" }, contended ? " --contended" : nil,
                    switches ? " --switch-policies" : nil,
                ].compactMap { $0 }
                printNow("again: vsmp-coherence soak --seed \(next)\(own.joined())")
                throw ExitCode(1)
            }
            next &+= 1
            count += 1
        } while seconds(clock.now - begin) < time
        printNow("\(count) machines in \(decimal(seconds(clock.now - begin))) s, no promise broken")
    }
}
