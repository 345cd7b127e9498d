import Platform

/// What one check found.
package enum Verdict: Equatable, Sendable {
    case ok(String)
    case fail(String)
    /// The machine is too small for the check.
    case skip(String)
}

/// A check that could not be carried out: which call failed, on what.
package struct CheckError: Error, Equatable {
    package let message: String

    package init(_ message: String) { self.message = message }

    init(_ call: String, errno code: Int32) { self.init("\(call): \(SystemError.reason(code))") }
}

/// One named check of the machine it runs on.
package struct Check: Sendable {
    package let name: String
    package let summary: String
    /// Processors without which the check says nothing.
    let minimumProcessors: Int
    /// The longest the check may take before the watchdog ends the process, in seconds.
    let patience: @Sendable (Options) -> Double
    let body: @Sendable (Topology, Options) throws(CheckError) -> Verdict

    init(
        _ name: String, _ summary: String, minimumProcessors: Int = 2,
        patience: @escaping @Sendable (Options) -> Double = Check.usualPatience,
        body: @escaping @Sendable (Topology, Options) throws(CheckError) -> Verdict
    ) {
        self.name = name
        self.summary = summary
        self.minimumProcessors = minimumProcessors
        self.patience = patience
        self.body = body
    }

    static let usualPatience: @Sendable (Options) -> Double = { 300 + 12 * $0.seconds }

    /// From now on the watchdog waits `patience` seconds; then it says that the check hung, and in which step.
    static func watch(_ name: String, step: String? = nil, patience: Double) {
        watchdog(
            after: patience, "guest-check: \(name) FAIL hung for \(Int(patience)) s" + (step.map { " in \($0)" } ?? "") + "\n")
    }

    /// Runs the check; an error is a failure.
    package func run(on topology: Topology, _ options: Options) -> Verdict {
        guard topology.processors.count >= minimumProcessors else {
            return .skip("needs \(minimumProcessors) processors, there is \(topology.processors.count)")
        }
        do throws(CheckError) {
            return try body(topology, options)
        } catch {
            return .fail(error.message)
        }
    }

    /// In the order they run: what the others rest on first.
    package static let all: [Check] = [
        topology, instructions, atomicAdd, mutexCounter, litmus, shootdown, clock, wakeup, migration, forkExec, memory,
    ]
}
