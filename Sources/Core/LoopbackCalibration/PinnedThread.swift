import Platform
import Foundation
import KVM
import Synchronization

/// A thread that keeps to one processor and gives one result.
final class PinnedThread<Outcome: Sendable>: Sendable {
    private let outcome = Mutex<Outcome?>(nil)
    private let done = Parker()

    /// - Parameters:
    ///   - processor: taken modulo the processors there are.
    ///   - isRealtime: with the priority of a node's loop, where the kernel allows it.
    init(processor: Int, isRealtime: Bool = true, _ body: @escaping @Sendable () -> Outcome) {
        let processor = Int32(processor % max(ProcessInfo.processInfo.activeProcessorCount, 1))
        Thread.detachNewThread { [self] in
            keepToProcessor(processor)
            if isRealtime { becomeRealtime(priority: 20) }
            let result = body()
            outcome.withLock { $0 = result }
            done.unpark()
        }
    }

    /// Blocks until the result is there.
    func wait() -> Outcome {
        while true {
            if let outcome = outcome.withLock({ $0 }) { return outcome }
            done.park(timeout: nil)
        }
    }
}
