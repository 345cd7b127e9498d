import Platform
import Synchronization

/// Takes sentences to a console that may stand still (a serial port with flow control, a full pipe): who says one never waits.
package final class ConsoleLog: Sendable {
    private struct Queue {
        var lines: [String] = []
        var dropped = 0
        /// Since the start.
        var droppedInAll: UInt64 = 0
        var isWriting = false
        var isClosed = false
    }

    /// Sentences that wait at most; later ones are counted and not kept.
    package static let limit = 4096

    private let queue = Mutex(Queue())
    private let hasLine = Parker()
    private let isIdle = Parker()

    /// - Parameter write: may block; called on a thread of the log's own, in order.
    package init(write: @escaping @Sendable (String) -> Void) {
        _ = SystemThread("vsmp-log") { [self] in
            while let lines = next() { for line in lines { write(line) } }
        }
    }

    package func say(_ line: String) {
        queue.withLock { queue in
            if queue.lines.count < Self.limit {
                queue.lines.append(line)
            } else {
                queue.dropped += 1
                queue.droppedInAll += 1
            }
        }
        hasLine.unpark()
    }

    /// Sentences that were not kept since the start.
    package var droppedCount: UInt64 { queue.withLock { $0.droppedInAll } }

    /// Waits until everything has been written, or for so many nanoseconds, and ends the log.
    package func close(patience: UInt64 = 2_000_000_000) {
        let deadline = monotonicNow() + patience
        queue.withLock { $0.isClosed = true }
        hasLine.unpark()
        while queue.withLock({ $0.isWriting || !$0.lines.isEmpty }), monotonicNow() < deadline { isIdle.park(timeout: 50_000_000) }
    }

    /// The sentences that wait; nil when the log has ended.
    private func next() -> [String]? {
        while true {
            let (lines, isClosed) = queue.withLock { queue in
                var lines = queue.lines
                if queue.dropped > 0 { lines.append("\(queue.dropped) more lines were not kept: the console stood still") }
                (queue.lines, queue.dropped, queue.isWriting) = ([], 0, !lines.isEmpty)
                return (lines, queue.isClosed)
            }
            if !lines.isEmpty { return lines }
            isIdle.unpark()
            if isClosed { return nil }
            hasLine.park(timeout: 10_000_000_000)
        }
    }
}
