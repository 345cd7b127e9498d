import CAffinity
import Glibc
import Interconnect
import Node
import Synchronization

/// A blocking TCP ping-pong over 127.0.0.1 between two threads, without delay (TCP_NODELAY).
// SAFETY: unchecked because each thread uses one end, and both have ended before `stop` closes them.
final class PingPong: @unchecked Sendable {
    private let asking: Int32
    private let answering: Int32
    private let sizes: (request: Int, reply: Int)
    private let isApart: Bool
    private var thread: NodeThread?

    /// - Parameter isApart: each thread keeps to a processor of its own; otherwise both share one. Left to itself the
    ///   scheduler changes between the two, whose times differ several times.
    init(request: Int, reply: Int, isApart: Bool) {
        sizes = (request, reply)
        self.isApart = isApart
        (asking, answering) = connectedPair()
        thread = NodeThread("pong") { [self] in
            keep_to_processor(isApart ? 1 : 0)
            var buffer = [UInt8](repeating: 0, count: max(request, reply))
            while receive(answering, request, &buffer), send(answering, reply, &buffer) {}
        }
    }

    /// The times of `count` exchanges, on a thread of their own.
    func run(_ count: Int) -> Times {
        let result = Mutex(Times())
        let thread = NodeThread("ping") { [self] in
            keep_to_processor(0)
            var times = Times()
            var buffer = [UInt8](repeating: 0, count: max(sizes.request, sizes.reply))
            for _ in 0..<count {
                let begin = monotonicNow()
                guard send(asking, sizes.request, &buffer), receive(asking, sizes.reply, &buffer) else {
                    fail("the ping-pong broke off")
                }
                times.add(Double(monotonicNow() - begin))
            }
            result.withLock { $0 = times }
        }
        thread.join()
        return result.withLock { $0 }
    }

    func stop() {
        shutdown(asking, Int32(SHUT_RDWR))
        thread?.join()
        close(asking)
        close(answering)
    }

    private func send(_ end: Int32, _ count: Int, _ buffer: inout [UInt8]) -> Bool {
        unsafe buffer.withUnsafeBytes { unsafe Glibc.send(end, $0.baseAddress, count, Int32(MSG_NOSIGNAL)) } == count
    }

    private func receive(_ end: Int32, _ count: Int, _ buffer: inout [UInt8]) -> Bool {
        var done = 0
        while done < count {
            let received = unsafe buffer.withUnsafeMutableBytes { unsafe recv(end, $0.baseAddress! + done, count - done, 0) }
            guard received > 0 else { return false }
            done += received
        }
        return true
    }
}

private func connectedPair() -> (Int32, Int32) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let first = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    // SAFETY: the address lives through the calls, and its length is given.
    let isConnected = unsafe withUnsafeMutablePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe bind(listener, $0, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &length) == 0
                && connect(first, $0, length) == 0
        }
    }
    let second = accept(listener, nil, nil)
    guard isConnected, second >= 0 else { fail("no connection over 127.0.0.1: errno \(errno)") }
    var one: Int32 = 1
    for end in [first, second] { _ = unsafe setsockopt(end, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4) }
    return (first, second)
}
