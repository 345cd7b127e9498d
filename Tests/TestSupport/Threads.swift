import Platform
import Foundation
import Interconnect
import Synchronization

/// Sentences from several threads.
package final class Log: Sendable {
    private let lines = Mutex<[String]>([])
    package init() {}

    package func callAsFunction(_ line: String) { lines.withLock { $0.append(line) } }
    package var all: [String] { lines.withLock { $0 } }
    package func contains(_ part: String) -> Bool { all.contains { $0.contains(part) } }
}

/// A value that another thread will deliver.
package final class Promise<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    fileprivate func fulfil(_ new: Value) { value.withLock { $0 = new } }
    package var current: Value? { value.withLock { $0 } }

    /// Polls, because tests have no business with condition variables.
    package func wait(seconds: Double = 60) -> Value? {
        let end = monotonicNow() + UInt64(seconds * 1e9)
        while monotonicNow() < end {
            if let value = current { return value }
            usleep(2000)
        }
        return nil
    }
}

/// Runs `body` on a thread of its own.
package func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) -> Promise<Value> {
    let promise = Promise<Value>()
    Thread.detachNewThread { promise.fulfil(body()) }
    return promise
}
