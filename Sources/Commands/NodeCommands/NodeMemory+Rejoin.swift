import Platform
import StickState

extension NodeMemory {
    private static let attempts = "rejoin-attempts"
    /// How long a machine runs, in nanoseconds, until the attempts that led to it are forgotten.
    private static let goodRun: UInt64 = 600_000_000_000

    /// How often in a row this board has joined again by itself.
    var rejoinAttempts: Int { facts.others[Self.attempts].flatMap { Int($0) }.map { max($0, 0) } ?? 0 }

    /// - Parameter rejoinAttempts: 0 leaves nothing in the store.
    func keep(rejoinAttempts: Int) throws(StateStore.Problem) {
        guard rejoinAttempts != self.rejoinAttempts else { return }
        try update { $0.others[Self.attempts] = rejoinAttempts > 0 ? "\(rejoinAttempts)" : nil }
    }

    /// Forgets the attempts once the machine that has just started has run for ten minutes.
    func forgetAttemptsAfterAGoodRun(log: @escaping @Sendable (String) -> Void) {
        guard rejoinAttempts > 0 else { return }
        _ = SystemThread("vsmp-rejoin") {
            sleep(nanoseconds: Self.goodRun)
            do throws(StateStore.Problem) { try self.keep(rejoinAttempts: 0) } catch { log("that this machine runs cannot be noted: \(error)") }
        }
    }
}
