package import ArgumentParser
internal import Glibc
internal import Platform

/// Runs the command that the command line names, with its errors and its help on streams that are checked.
extension ParsableCommand {
    package static func runChecked() -> Never {
        do {
            var command = try parseAsRoot()
            try command.run()
            Glibc.exit(ExitCode.success.rawValue)
        } catch {
            let (text, status) = (fullMessage(for: error), exitCode(for: error))
            if !text.isEmpty {
                if status == .success { StandardOutput.print(text) } else { StandardError.print(text) }
            }
            Glibc.exit(status.rawValue)
        }
    }
}
