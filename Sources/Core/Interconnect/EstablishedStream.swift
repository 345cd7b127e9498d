package import Platform
import Synchronization

/// A TCP stream behind its handshake: the socket and the keys, to be taken once.
package final class EstablishedStream: Sendable {
    let keys: StreamKeys
    private let socket: Mutex<Socket?>

    /// Milliseconds after which a stream that stands still is given up for another. TCP itself would wait for its doubled timers.
    private static let longestSilence: Int32 = 1500

    package init(_ socket: consuming Socket, keys: StreamKeys) {
        // Sockets that are no TCP have no such timers.
        _ = try? socket.setLongestSilence(Self.longestSilence)
        self.keys = keys
        self.socket = Mutex(consume socket)
    }

    /// Taking it twice is a programming error.
    func takeSocket() -> Socket {
        guard let socket = socket.withLock({ $0.take() }) else { preconditionFailure("the socket was taken before") }
        return socket
    }
}
