package import Contract
import Bytes
package import Interconnect
import Synchronization

/// One peer's control connection; any thread may send.
package final class ControlLink: Sendable {
    package let peer: NodeIndex
    package let fileDescriptor: Int32
    private let connection: Mutex<Connection>

    package init(_ connection: consuming Connection, peer: NodeIndex) {
        self.peer = peer
        fileDescriptor = connection.fileDescriptor
        self.connection = Mutex(connection)
    }

    /// Queues a frame and hands it to the kernel; never waits.
    /// - Returns: false when the send ring is full: that peer has not read for long.
    func send(_ frame: ControlMessage.Frame) -> Bool {
        connection.withLock { connection in
            let isQueued = connection.enqueue(frame.kind, body: frame.body, payload: frame.payload)
            _ = connection.flush()
            return isQueued
        }
    }

    /// Hands what the kernel did not take earlier, and what the peer is owed, to the kernel.
    func flush() { connection.withLock { if $0.hasOutput { _ = $0.flush() } } }

    package var counters: ConnectionCounters { connection.withLock { $0.counters } }

    func fill() -> FillOutcome { connection.withLock { $0.fill() } }

    /// The next message that has arrived whole; nil when none has.
    /// - Throws: what makes the peer one that is no longer listened to.
    func nextMessage() throws(ControlLinkError) -> ControlMessage? {
        // A frame is lent by the connection, so it is copied under the lock.
        let frame = connection.withLock { connection -> Result<ControlMessage.Frame?, ConnectionError> in
            do throws(ConnectionError) {
                guard let frame = try connection.nextFrame() else { return .success(nil) }
                return .success(ControlMessage.Frame(kind: frame.kind, body: frame.bodyBytes, payload: frame.payloadBytes))
            } catch {
                return .failure(error)
            }
        }
        switch frame {
        case .failure(let error): throw .connection(error)
        case .success(nil): return nil
        case .success(let frame?):
            do throws(ByteError) { return try ControlMessage(frame, from: peer) } catch { throw .message(frame.kind, error) }
        }
    }
}

/// What a peer sent that no node of this firmware sends.
enum ControlLinkError: Error, CustomStringConvertible {
    case connection(ConnectionError)
    case message(FrameKind, ByteError)

    var description: String {
        switch self {
        case .connection(.interrupted(let why)), .connection(.lost(let why)): "\(why)"
        case .message(let kind, let error): "malformed \(kind): \(error)"
        }
    }
}
