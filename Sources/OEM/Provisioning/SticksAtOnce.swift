internal import Platform
internal import Synchronization

/// Does the same to several sticks at the same time, each on a thread of its own, so that a slow one delays no other.
enum SticksAtOnce {
    /// - Parameters:
    ///   - targets: what the sticks are called.
    ///   - progress: called with a target; one call at a time.
    ///   - finished: called with a stick's place among the targets and its outcome as soon as it has one; one call at a time.
    ///   - stop: where the threads wait once the command is to end.
    /// - Returns: the outcomes in the order of the targets.
    static func run<Report: Sendable>(
        _ targets: [String], progress: @escaping @Sendable (String, StickProgress) -> Void,
        finished: @escaping @Sendable (Int, Result<Report, ProvisioningError>) -> Void, stop: StickStop? = nil,
        _ body: @escaping @Sendable (Int, @escaping (StickProgress) -> Void) throws(ProvisioningError) -> Report
    ) -> [Result<Report, ProvisioningError>] {
        let outcomes = Mutex<[Int: Result<Report, ProvisioningError>]>([:])
        let threads = targets.enumerated().map { index, target in
            SystemThread("stick-\(index)") {
                let result = Result { () throws(ProvisioningError) in
                    try body(index) { now in
                        stop?.pass(now)
                        outcomes.withLock { _ in progress(target, now) }
                    }
                }
                outcomes.withLock {
                    $0[index] = result
                    finished(index, result)
                }
            }
        }
        for thread in threads { thread.join() }
        return outcomes.withLock { outcomes in targets.indices.compactMap { outcomes[$0] } }
    }
}
