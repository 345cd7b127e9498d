import ArgumentParser

@testable import CoherenceCommands

/// The exit status of `vsmp-coherence` with these arguments.
func status(_ arguments: [String]) -> Int32 {
    do {
        var command = try CoherenceRootCommand.parseAsRoot(arguments)
        try command.run()
        return 0
    } catch {
        return CoherenceRootCommand.exitCode(for: error).rawValue
    }
}
