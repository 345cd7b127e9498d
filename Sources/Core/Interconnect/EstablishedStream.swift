package import Platform
import Synchronization

/// A TCP stream behind its handshake: the socket and the keys, to be taken once.
package final class EstablishedStream: Sendable {
    let keys: StreamKeys
    private let socket: Mutex<Socket?>

    package init(_ socket: consuming Socket, keys: StreamKeys) {
        self.keys = keys
        self.socket = Mutex(consume socket)
    }

    /// Taking it twice is a programming error.
    func takeSocket() -> Socket {
        guard let socket = socket.withLock({ $0.take() }) else { preconditionFailure("the socket was taken before") }
        return socket
    }
}
