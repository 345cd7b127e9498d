package import Contract
import Bytes
package import Interconnect
import Platform
import Synchronization

/// One peer's control connection; any thread may send.
///
/// Half of its send ring is for what has to be said and whose number the firmware itself bounds (interconnect.md, "What an outage holds back").
/// A guest's signals wait beside it while that half is all that is left, and whoever can wait for room is told to.
package final class ControlLink: Sendable {
    private struct State: ~Copyable {
        var connection: Connection
        var backlog = SignalBacklog()

        /// - Returns: whether there was room.
        mutating func enqueue(_ frame: ControlMessage.Frame) -> Bool { connection.enqueue(frame.kind, body: frame.body, payload: frame.payload) }

        /// Signals that have waited, as far as there is room to spare.
        mutating func takeUpSignals() {
            guard !backlog.isEmpty else { return }
            // Taken out meanwhile: what it gives goes into the rest of the state.
            var backlog = SignalBacklog()
            swap(&backlog, &self.backlog)
            backlog.empty { !connection.isHalfFull && enqueue($0.frame) }
            swap(&backlog, &self.backlog)
        }
    }

    package let peer: NodeIndex
    private let state: Mutex<State>

    package init(_ connection: consuming Connection, peer: NodeIndex) {
        self.peer = peer
        state = Mutex(State(connection: connection))
    }

    /// Queues a message and hands it to the kernel; never waits.
    ///
    /// - Parameter frame: the message's.
    /// - Returns: false when there is no room: that peer has not read for long.
    func send(_ message: ControlMessage, _ frame: ControlMessage.Frame) -> Bool {
        state.withLock { state in
            state.takeUpSignals()
            let isQueued: Bool
            if SignalBacklog.takes(message), !state.backlog.isEmpty || state.connection.isHalfFull {
                isQueued = state.backlog.add(message)
            } else {
                isQueued = state.enqueue(frame)
            }
            _ = state.connection.flush()
            return isQueued
        }
    }

    /// The same for what the caller sends again until it is queued: it leaves half of the room to those who cannot.
    func offer(_ message: ControlMessage) -> Bool {
        state.withLock { state in
            state.takeUpSignals()
            let isQueued = !state.connection.isHalfFull && state.enqueue(message.frame)
            _ = state.connection.flush()
            return isQueued
        }
    }

    /// Hands what the kernel did not take earlier, and what the peer is owed, to the kernel.
    func flush() {
        state.withLock { state in
            state.takeUpSignals()
            if state.connection.hasOutput { _ = state.connection.flush() }
        }
    }

    /// Sends what the kernel did not take earlier, and asks for what should have been acknowledged.
    func tick(now: UInt64) -> ConnectionLoss? {
        state.withLock { state in
            state.takeUpSignals()
            if state.connection.hasOutput { _ = state.connection.flush() }
            return state.connection.tick(now: now)
        }
    }

    /// Another one for each TCP stream; -1 while there is none.
    package var fileDescriptor: Int32 { state.withLock { $0.connection.fileDescriptor } }

    /// Goes on over another stream.
    func adopt(_ next: EstablishedStream) { state.withLock { $0.connection.adopt(next, now: monotonicNow()) } }

    package var counters: ConnectionCounters { state.withLock { $0.connection.counters } }

    func fill() -> FillOutcome { state.withLock { $0.connection.fill() } }

    /// The next message that has arrived whole; nil when none has.
    /// - Throws: what makes the peer one that is no longer listened to.
    func nextMessage() throws(ControlLinkError) -> ControlMessage? {
        // A frame is lent by the connection, so it is copied under the lock.
        let frame = state.withLock { state -> Result<ControlMessage.Frame?, ConnectionError> in
            do throws(ConnectionError) {
                guard let frame = try state.connection.nextFrame() else { return .success(nil) }
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
