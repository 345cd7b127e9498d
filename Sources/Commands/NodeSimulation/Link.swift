import Contract
import Interconnect
import Platform

/// One connection to one peer, over one simulated TCP stream after the other: what `Connection` does over sockets.
final class Link {
    enum Outcome {
        case interrupted(ConnectionLoss)
        case lost(String)
    }

    let peer: NodeIndex
    let role: ConnectionRole
    private(set) var socket: (stream: TCPStream, side: Int)?
    private var stream: SecureStream
    private var budget = InterruptionBudget()
    private var patience = AcknowledgementPatience()
    private var lastInterruption = ConnectionLoss.closed
    private(set) var isLost = false
    private let world: World

    init(_ peer: NodeIndex, _ role: ConnectionRole, _ socket: (stream: TCPStream, side: Int), keys: StreamKeys, _ world: World) {
        self.peer = peer
        self.role = role
        self.world = world
        do throws(InterconnectError) { stream = try SecureStream(role: role, sendCapacity: 0, receiveCapacity: 0) } catch {
            preconditionFailure("no memory for the rings of a connection: \(error)")
        }
        take(socket, keys)
    }

    private func take(_ next: (stream: TCPStream, side: Int), _ keys: StreamKeys) {
        socket = next
        next.stream.ends[next.side].isImpatient = true
        stream.begin(keys)
        flush()
    }

    /// Goes on over another stream.
    func adopt(_ next: (stream: TCPStream, side: Int), keys: StreamKeys, now: Time) -> Outcome? {
        stream.interrupt()
        dropSocket()
        guard !isLost, budget.spend(lastInterruption, now: now) else {
            world.hangUp(next.stream, next.side)
            isLost = true
            return .lost("\(ConnectionLoss.unsteady(lastInterruption))")
        }
        patience.rest()
        take(next, keys)
        return nil
    }

    func lose() {
        isLost = true
        dropSocket()
    }

    private func dropSocket() {
        if let socket { world.hangUp(socket.stream, socket.side) }
        socket = nil
    }

    private func interrupt(_ why: ConnectionLoss) -> Outcome {
        dropSocket()
        stream.interrupt()
        patience.rest()
        lastInterruption = why
        return .interrupted(why)
    }

    // MARK: Sending

    func send(_ kind: FrameKind, body: [UInt8], payload: [UInt8]) -> Bool {
        guard let room = unsafe stream.reserve(kind, flags: [], bodyLength: body.count, payloadLength: payload.count) else { return false }
        // SAFETY: the reservation has exactly these lengths.
        unsafe room.body.copyBytes(from: body)
        unsafe room.payload.copyBytes(from: payload)
        stream.commit()
        flush()
        return true
    }

    private func flush() {
        guard let socket else { return }
        while true {
            let output = unsafe stream.output()
            guard output.count > 0 else { return }
            unsafe world.write(socket.stream, socket.side, [UInt8](output))
            stream.sent(output.count)
        }
    }

    /// Each 100 ms.
    func tick(_ now: Time) -> Outcome? {
        guard !isLost, let socket else { return nil }
        world.probe(socket.stream, socket.side)
        guard stream.isWaiting else {
            patience.rest()
            return nil
        }
        switch patience.advice(acknowledged: stream.acknowledged, now: now) {
        case .new, .wait: return nil
        case .over: return interrupt(.ended(.failed(errno: 110)))
        case .ask:
            stream.ask()
            flush()
            return nil
        }
    }

    // MARK: Receiving

    /// Takes what has come; frames go to `body`.
    func receive(_ body: (ReceivedFrame) -> String?) -> Outcome? {
        guard let (tcp, side) = socket else { return nil }
        var rest = tcp.ends[side].inbox[...]
        tcp.ends[side].inbox = []
        repeat {
            let count = unsafe min(stream.room.count, rest.count)
            unsafe stream.room.copyBytes(from: rest.prefix(count))
            rest = rest.dropFirst(count)
            stream.received(count)
            do throws(StreamError) {
                while let frame = try stream.nextFrame() {
                    if let why = body(frame) { return .lost(why) }
                    // What the frame said may have ended this process or the connection.
                    guard let now = socket, now.stream === tcp else { return nil }
                }
            } catch {
                switch error {
                case .altered(let error): return interrupt(.altered(error))
                case .violation(let what): return .lost("\(ConnectionLoss.violation(what))")
                }
            }
        } while !rest.isEmpty
        if let end = tcp.ends[side].ending { return interrupt(.ended(end)) }
        flush()
        return nil
    }
}
