import Platform
import KVM
import Interconnect
import LoopbackCalibration
import Node
import Synchronization

/// A blocking TCP ping-pong over 127.0.0.1 between two threads, without delay (TCP_NODELAY).
final class PingPong: Sendable {
    private let ends: LoopbackConnection
    private let sizes: (request: Int, reply: Int)
    private let thread: SystemThread

    /// - Parameter isApart: each thread keeps to a processor of its own; otherwise both share one. Left to itself the
    ///   scheduler changes between the two, whose times differ several times.
    init(request: Int, reply: Int, isApart: Bool) throws {
        sizes = (request, reply)
        let ends = try LoopbackConnection()
        self.ends = ends
        thread = SystemThread("pong") {
            keepToProcessor(isApart ? 1 : 0)
            var question = [UInt8](repeating: 0, count: request)
            let answer = [UInt8](repeating: 0, count: reply)
            while (try? LoopbackConnection.receive(ends.answering, &question)) == true {
                guard (try? LoopbackConnection.send(ends.answering, answer)) != nil else { return }
            }
        }
    }

    /// The times of `count` exchanges, on a thread of their own.
    func run(_ count: Int) -> Times {
        let result = Mutex(Times())
        let thread = SystemThread("ping") { [self] in
            keepToProcessor(0)
            var times = Times()
            let question = [UInt8](repeating: 0, count: sizes.request)
            var answer = [UInt8](repeating: 0, count: sizes.reply)
            for _ in 0..<count {
                let begin = monotonicNow()
                do {
                    try LoopbackConnection.send(ends.asking, question)
                    guard try LoopbackConnection.receive(ends.asking, &answer) else { fail("the ping-pong broke off") }
                } catch { fail("\(error)") }
                times.add(Double(monotonicNow() - begin))
            }
            result.withLock { $0 = times }
        }
        thread.join()
        return result.withLock { $0 }
    }

    func stop() {
        ends.shutDown()
        thread.join()
    }
}
