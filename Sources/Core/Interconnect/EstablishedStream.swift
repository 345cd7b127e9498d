package import Platform
import Synchronization
package import Verbs

/// A stream behind its handshake: the TCP socket and the keys, and the queue pair where verbs carry it, to be taken once.
package final class EstablishedStream: Sendable {
    let keys: StreamKeys
    private let socket: Mutex<Socket?>
    private let messages: Mutex<MessageStream<QueuePair>?>

    /// Milliseconds after which a stream that stands still is given up for another. TCP itself would wait for its doubled timers.
    private static let longestSilence: Int32 = 1500

    /// - Parameter messages: what carries the records instead of the socket, which stays only to tell that the other end is gone.
    package init(_ socket: consuming Socket, carrying messages: consuming MessageStream<QueuePair>? = nil, keys: StreamKeys) {
        // Sockets that are no TCP have no such timers.
        _ = try? socket.setLongestSilence(Self.longestSilence)
        self.keys = keys
        self.socket = Mutex(consume socket)
        self.messages = Mutex(consume messages)
    }

    /// Taking it twice is a programming error.
    func takeSocket() -> Socket {
        guard let socket = socket.withLock({ $0.take() }) else { preconditionFailure("the socket was taken before") }
        return socket
    }

    /// Nil where TCP carries the stream.
    func takeMessages() -> MessageStream<QueuePair>? { messages.withLock { $0.take() } }
}
