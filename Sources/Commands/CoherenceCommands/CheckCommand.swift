import ArgumentParser
import CommandParsing
import CoherenceSimulation

struct CheckCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "check",
            abstract: "Visit every state of the engine on small machines (docs/coherence.md).",
            discussion: """
                Every interleaving of faults, writes, deliveries and ends of holds, with order per pair of nodes only; by \
                choice also evictions, prefetches, migratory grants and reads answered by readers at any moment. Without options a fixed list of \
                machines is checked. The status is 1 when a promise is broken, and the steps that break it are printed.
                """)
    }

    @Option(in: CheckedMachine.nodeRange, help: "Nodes of a machine of your own.")
    var nodes: Int?

    @Option(in: CheckedMachine.pageRange, help: "Its pages; page p is at home on node p modulo the nodes. (default: 1)")
    var pages: Int?

    @Option(in: 0...Int.max, unit: "states", help: "Stop after so many states; 0 visits all, which may need all the memory there is.")
    var limit = 1_000_000

    @Flag(help: "No evictions.")
    var noEvictions = false

    @Flag(help: "No prefetches.")
    var noPrefetch = false

    @Flag(help: "No prefetches that insist, and no requests that nobody waits for.")
    var noStreams = false

    @Flag(help: "Let reads take the only copy, at any moment.")
    var migratory = false

    @Flag(help: "Let readers answer reads for their home, at any moment.")
    var relays = false

    @Flag(help: "Visit the nearest states first: takes more memory, and a bounded check covers every path of some length.")
    var breadthFirst = false

    mutating func validate() throws {
        guard nodes != nil || (pages == nil && limit == 1_000_000 && !noEvictions && !noPrefetch && !noStreams && !migratory && !relays && !breadthFirst) else {
            throw ValidationError("the other options describe a machine of your own: give --nodes too")
        }
    }

    /// The machine of the options, or the fixed list.
    var machines: [CheckedMachine] {
        guard let nodes else { return CheckedMachine.standard }
        let options = ModelChecker.Options(
            evictions: !noEvictions, prefetches: !noPrefetch, streams: !noStreams, migratory: migratory, relays: relays,
            stateLimit: limit == 0 ? nil : limit, isBreadthFirst: breadthFirst)
        return [CheckedMachine(nodes: nodes, pages: pages ?? 1, options: options)]
    }

    func run() throws {
        printNow("machine            adversary                          states transitions  at rest  channel  seconds")
        for machine in machines { try check(machine) }
    }

    private func extent(_ result: ModelChecker.Result) -> String {
        if result.isComplete { return "complete" }
        return result.depth > 0 ? "bounded: every path of \(result.depth) steps" : "bounded"
    }

    private func check(_ machine: CheckedMachine) throws {
        let configuration = try machine.configuration()
        let clock = ContinuousClock()
        let begin = clock.now
        do {
            let result = try ModelChecker(configuration, machine.options).run()
            let figures = [
                pad(machine.name, 18, left: true), pad(machine.adversary, 32, left: true), pad("\(result.states)", 8),
                pad("\(result.transitions)", 11), pad("\(result.restStates)", 8), pad("\(result.longestChannel)", 8),
                pad(decimal(seconds(clock.now - begin)), 8), " " + extent(result),
            ]
            printNow(figures.joined(separator: " "))
        } catch {
            let nearest = ModelChecker.shortestFinding(configuration, machine.options, stateLimit: max(100_000, 2 * error.states))
            printNow("BROKEN after \(error.states) states of \(machine.name) (\(machine.adversary)): \((nearest ?? error).description)")
            for (index, step) in (nearest?.path ?? []).enumerated() { printNow("\(pad("\(index + 1)", 4)). \(step)") }
            throw ExitCode(1)
        }
    }
}
