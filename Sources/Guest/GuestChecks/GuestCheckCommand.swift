internal import CGuestCheck
internal import Contract

/// The command line of `guest-check`.
package enum GuestCheckCommand {
    static let usage = """
        usage: guest-check list | --version
               guest-check run [NAME...] [--seconds S] [--fraction F] [--verify-pages N] [--memory-seconds S]
                               [--expect-cpus N] [--expect-nodes N] [--expect-mem-mib N]
        """

    /// Carries out the arguments after the program's name: 0 when all checks passed, 1 when one failed, 64 for a
    /// command line that says nothing.
    package static func run(_ arguments: [String]) -> Int32 {
        // A console that is a file or a pipe must show each line when it is true, not at the end.
        gc_write_lines_at_once()
        switch arguments.first {
        case "list" where arguments.count == 1:
            for check in Check.all { print("\(check.name): \(check.summary)") }
            return 0
        case "--version" where arguments.count == 1:
            print("guest-check \(SDKVersion.text)")
            return 0
        case "run":
            do throws(CheckError) {
                let options = try Options(arguments: arguments.dropFirst())
                return runChecks(try Topology.read(), options)
            } catch {
                print("guest-check: \(error.message)\n\(usage)")
                return 64
            }
        default:
            print(usage)
            return 64
        }
    }

    private static func runChecks(_ topology: Topology, _ options: Options) -> Int32 {
        var (passed, failed, skipped) = (0, 0, 0)
        for check in Check.all where options.names.isEmpty || options.names.contains(check.name) {
            Check.watch(check.name, patience: check.patience(options))
            let start = monotonicNanoseconds()
            let verdict = check.run(on: topology, options)
            let milliseconds = (monotonicNanoseconds() - start) / 1_000_000
            watchdog(after: 0, "")
            print(line(check.name, verdict, milliseconds: milliseconds))
            switch verdict {
            case .ok: passed += 1
            case .fail: failed += 1
            case .skip: skipped += 1
            }
        }
        print(summary(passed: passed, failed: failed, skipped: skipped))
        return failed == 0 ? 0 : 1
    }

    package static func line(_ name: String, _ verdict: Verdict, milliseconds: UInt64) -> String {
        switch verdict {
        case .ok(let detail): "guest-check: \(name) ok \(detail) (\(milliseconds) ms)"
        case .fail(let detail): "guest-check: \(name) FAIL \(detail) (\(milliseconds) ms)"
        case .skip(let detail): "guest-check: \(name) skip \(detail)"
        }
    }

    package static func summary(passed: Int, failed: Int, skipped: Int) -> String {
        "guest-check: \(passed) passed, \(failed) failed" + (skipped > 0 ? ", \(skipped) skipped" : "")
    }
}
