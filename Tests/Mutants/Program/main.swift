import CoherenceSimulation
import Foundation
import Mutants

// mutant list
// mutant apply NAME FOLDER   changes the sources in FOLDER
// mutant check               checks the engine this program was built with, within a bound

/// Prints at once: what was said before a trap is seen.
func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

let arguments = CommandLine.arguments.dropFirst()
switch arguments.first {
case "list":
    for mutant in Mutant.all { say(mutant.name) }
case "apply" where arguments.count == 3:
    guard let mutant = Mutant.all.first(where: { $0.name == arguments[2] }) else {
        say("there is no mutant '\(arguments[2])'")
        exit(64)
    }
    let path = arguments[3] + "/" + mutant.file
    let source = try String(contentsOfFile: path, encoding: .utf8)
    guard source.components(separatedBy: mutant.old).count == 2 else {
        say("\(mutant.name): its text does not occur exactly once in \(mutant.file)")
        exit(65)
    }
    try source.replacingOccurrences(of: mutant.old, with: mutant.new).write(toFile: path, atomically: true, encoding: .utf8)
case "check":
    let machines = [
        CheckedMachine(nodes: 2, pages: 1, options: .init(migratory: true)),
        CheckedMachine(nodes: 3, pages: 1, options: .init(prefetches: false, relays: true, isBreadthFirst: true)),
        CheckedMachine(nodes: 3, pages: 1, options: .init(streams: false, relays: true, stateLimit: 60_000, isBreadthFirst: true)),
    ]
    var before = 0
    for machine in machines {
        do {
            before += try ModelChecker(try machine.configuration(), machine.options).run().states
        } catch {
            let states = (error as? ModelChecker.Finding)?.states ?? 0
            say("\(before + states) \(error)")
            exit(1)
        }
    }
    say("\(before) nothing found")
default: exit(64)
}
