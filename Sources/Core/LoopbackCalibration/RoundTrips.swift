import Platform
import Glibc
import KVM

/// Round trips of equal messages over 127.0.0.1 between two threads, each on a processor of its own where there are two. The answering
/// thread sleeps in epoll as a home's loop does; the asking one looks again and again, as the loop does whose processor waits.
package struct RoundTrips: Sendable {
    /// From before the asking end's send to behind its receive.
    package let total: UInt64
    /// One call of send, and one of recv when the message is there, both at the asking end.
    package let send: UInt64
    package let receive: UInt64

    init(_ samples: Samples) {
        total = median(samples.total)
        send = median(samples.send)
        receive = median(samples.receive)
    }

    struct Samples: Sendable {
        var total: [UInt64] = []
        var send: [UInt64] = []
        var receive: [UInt64] = []

        mutating func add(bytes: Int, rounds: Int) throws(SystemError) {
            let ends = try LoopbackConnection()
            let answering = PinnedThread(processor: 1) { Result { () throws(SystemError) in try answer(ends, bytes) } }
            let asking = PinnedThread(processor: 0) { Result { () throws(SystemError) in try ask(ends, bytes, rounds) } }
            let outcome = asking.wait()
            ends.shutDown()
            try answering.wait().get()
            let new = try outcome.get()
            total += new.total
            send += new.send
            receive += new.receive
        }
    }

    private static func answer(_ ends: LoopbackConnection, _ bytes: Int) throws(SystemError) {
        var poller = try Poller()
        try poller.add(ends.answering, as: 0)
        var buffer = [UInt8](repeating: 0, count: bytes)
        while true {
            _ = try poller.wait(timeout: nil)
            guard try LoopbackConnection.receive(ends.answering, &buffer) else { return }
            try LoopbackConnection.send(ends.answering, buffer)
        }
    }

    private static func ask(_ ends: LoopbackConnection, _ bytes: Int, _ rounds: Int) throws(SystemError) -> Samples {
        var poller = try Poller()
        try poller.add(ends.asking, as: 0)
        var buffer = [UInt8](repeating: 0, count: bytes)
        var samples = Samples()
        // The first quarter warms the connection up.
        for round in 0..<rounds + rounds / 4 {
            let begin = monotonicNow()
            try LoopbackConnection.send(ends.asking, buffer)
            let sent = monotonicNow()
            while try poller.wait(timeout: 0) == 0 {}
            let ready = monotonicNow()
            guard try LoopbackConnection.receive(ends.asking, &buffer) else {
                throw SystemError("recv", on: "a connection over 127.0.0.1", code: ECONNRESET)
            }
            let end = monotonicNow()
            guard round >= rounds / 4 else { continue }
            samples.total.append(end - begin)
            samples.send.append(sent - begin)
            samples.receive.append(end - ready)
        }
        return samples
    }
}
